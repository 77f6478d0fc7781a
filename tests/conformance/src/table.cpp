#include "table.hpp"

namespace computesdk::conformance {

Value capabilityTable(const Capabilities& can) {
  const auto word = [](Support support) {
    return support == Support::native ? "native" : support == Support::emulated ? "emulated" : "none";
  };
  Value out;
  out.set("exec", word(can.runCommand)).set("code", word(can.runCode)).set("files", word(can.filesystem));
  out.set("background", word(can.background)).set("processes", word(can.processes)).set("pty", word(can.pty));
  out.set("url", word(can.getUrl)).set("list", word(can.list)).set("get", word(can.getById));
  out.set("named", word(can.named)).set("extend", word(can.extendTimeout)).set("pause", word(can.pause));
  out.set("resume", word(can.resume)).set("snapshot", word(can.snapshot)).set("templates", word(can.templates));
  return out.set("vendor_call", word(can.vendorCall));
}

}  // namespace computesdk::conformance

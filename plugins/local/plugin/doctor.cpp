#include "plugin/doctor.hpp"

#include <cstdio>
#include <string_view>

namespace computesdk::local {
namespace {

using probe::Finding;
using probe::Primitive;
using probe::Verdict;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned char>(c));
      out += escaped;
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string check(const Finding& finding) {
  const bool good = finding.verdict == Verdict::kOk;
  const bool fatal = finding.needed && finding.verdict == Verdict::kMissing;
  std::string out = "{\"name\":" + quoted(finding.name);
  out += std::string(",\"state\":\"") + (good ? "ok" : fatal ? "fail" : "warn") + '"';
  out += ",\"gives\":" + quoted(finding.gives);
  if (!finding.found.empty()) out += ",\"found\":" + quoted(finding.found);
  if (!good) {
    out += ",\"why\":" + quoted(finding.why);
    out += ",\"cost\":" + quoted(finding.cost);
    out += ",\"fix\":" + quoted(finding.fix);
  }
  return out + '}';
}

}  // namespace

std::string doctorJson(const probe::Report& report) {
  std::string checks;
  for (const Finding& finding : report.findings) {
    // Where the first engine works nobody is to install what the last one needs.
    const bool spare = finding.primitive == Primitive::kBubblewrap && finding.verdict != Verdict::kOk;
    if (spare && report.canIsolate()) continue;
    if (!checks.empty()) checks += ',';
    checks += check(finding);
  }
  return "{\"checks\":[" + checks + "]}";
}

}  // namespace computesdk::local

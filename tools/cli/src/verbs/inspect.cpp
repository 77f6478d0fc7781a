#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

struct NamedSupport {
  std::string_view name;
  Support support;
};

std::vector<NamedSupport> supportTable(const Capabilities& c) {
  return {{"run_command", c.runCommand},
          {"run_code", c.runCode},
          {"filesystem", c.filesystem},
          {"background", c.background},
          {"processes", c.processes},
          {"pty", c.pty},
          {"url", c.getUrl},
          {"list", c.list},
          {"get_by_id", c.getById},
          {"named", c.named},
          {"extend", c.extendTimeout},
          {"pause", c.pause},
          {"resume", c.resume},
          {"snapshot", c.snapshot},
          {"templates", c.templates},
          {"vendor_call", c.vendorCall}};
}

std::string_view supportName(Support support) {
  switch (support) {
    case Support::none: return "none";
    case Support::native: return "native";
    case Support::emulated: return "emulated";
  }
  return "none";
}

std::string inspectJson(const SandboxInfo& info, const Capabilities& capabilities) {
  JsonWriter json;
  json.beginObject();
  writeSandbox(json, info);
  json.field("placement", capabilities.placement);
  json.key("capabilities").beginObject();
  for (const auto& [name, support] : supportTable(capabilities)) json.field(name, supportName(support));
  json.endObject();
  json.key("native").raw(info.nativeJson);
  json.endObject();
  return json.str();
}

std::string joined(const StringMap& map) {
  std::string out;
  for (const auto& [key, value] : map) out += (out.empty() ? "" : ", ") + key + "=" + value;
  return out;
}

std::string inspectText(const SandboxInfo& info, const Capabilities& capabilities) {
  std::string out;
  auto line = [&out](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    out +=
        std::string(name) + ":" + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') + printable(value) + "\n";
  };
  auto size = [](std::int64_t bytes) { return bytes > 0 ? formatSize(bytes) : std::string{}; };
  line("id", info.id);
  line("name", info.name.empty() || info.namespace_.empty() ? info.name : info.namespace_ + "/" + info.name);
  line("provider", info.provider + " (" + capabilities.placement + ")");
  line("status", std::string(toString(info.status)));
  line("isolation", info.isolation);
  line("network", std::string(toString(info.network)));
  line("created", info.createdAt ? formatTime(*info.createdAt) : "");
  line("expires", info.neverExpires ? "never" : info.expiresAt ? formatTime(*info.expiresAt) : "");
  line("memory", size(info.memoryBytes));
  line("disk", size(info.diskBytes));
  if (info.cpuMilli > 0) line("cpu", std::to_string(static_cast<double>(info.cpuMilli) / 1000).substr(0, 4) + " cores");
  if (info.processLimit > 0) line("processes", std::to_string(info.processLimit));
  line("limits", joined(info.limits));
  line("template", info.templateId);
  line("image", info.image);
  line("directory", info.workingDirectory);
  line("metadata", joined(info.metadata));
  std::string can;
  for (const auto& [name, support] : supportTable(capabilities)) {
    if (support == Support::none) continue;
    can += (can.empty() ? "" : ", ") + std::string(name) + (support == Support::emulated ? " (emulated)" : "");
  }
  line("can", can);
  for (const std::string& notice : info.notices) line("note", notice);
  return out;
}

}  // namespace

int inspectVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string word;
  Arguments arguments({"inspect",
                       "SB [options]",
                       "Everything that is known of a sandbox. Does not wake it.",
                       {"computesdk inspect ci/build", "computesdk inspect SB --json | jq .limits",
                        "computesdk inspect SB --provider e2b"}});
  addCommonFlags(arguments, common);
  arguments.positional("SB", word);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  auto info = sandbox->getInfo(nothrow, stopToken());
  if (!info) return fail(info.error(), common.json);
  auto capabilities = sandbox->capabilities();
  print(common.json ? inspectJson(*info, capabilities) + "\n" : inspectText(*info, capabilities));
  return 0;
}

}  // namespace computesdk::cli

#include "core/sandbox_flags.hpp"

#include <chrono>
#include <filesystem>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/progress.hpp"
#include "core/terminal.hpp"

namespace computesdk::cli {

void addSandboxFlags(Arguments& arguments, SandboxFlags& flags, bool withName, bool withTimeout) {
  arguments.option("--net", "none|full", takeChoice(flags.net, {"none", "full"}),
                   "Network; else the provider's default.");
  arguments.option("--memory", "SIZE", takeSize(flags.memory), "Memory limit: 256M.");
  arguments.option("--cpus", "N", takeCpus(flags.cpus), "Cores: 2 or 0.5.");
  arguments.option("--pids", "N", takeInteger(flags.pids, 1, 1 << 22), "Most processes at once.");
  arguments.option("--disk", "SIZE", takeSize(flags.disk), "Disk limit: 64M.");
  arguments.option("--ttl", "DUR", takeDuration(flags.ttl), "Life of the sandbox: 30m; none for no end.");
  arguments.repeated("-p,--port", "PORT", takePorts(flags.ports), "Port that url will be asked for.");
  arguments.repeated("--metadata", "K=V", takeKeyValues(flags.metadata), "Kept with the sandbox.");
  arguments.repeated("-e,--env", "K[=V]", takeVariables(flags.env),
                     "Variable inside; K alone hands on this program's.");
  arguments.option("-w,--workdir", "DIR", takeWord(flags.directory), "Working directory inside.");
  arguments.option("--image", "IMAGE", takeWord(flags.image), "Image to start from.");
  arguments.option("--template", "ID", takeWord(flags.templateId), "Template to start from.");
  arguments.option("--snapshot", "ID", takeWord(flags.snapshotId), "Snapshot to start from.");
  arguments.repeated("-v,--mount", "SRC:DST[:rw]", takeTexts(flags.mounts),
                     "Folder or file of this machine to show inside.");
  arguments.option("--limits", "require-hard", takeChoice(flags.limits, {"require-hard"}),
                   "Refuse rather than enforce a limit softly.");
  arguments.option("--isolation", "none", takeChoice(flags.isolation, {"none"}),
                   "Run without any isolation, knowingly.");
  arguments.repeated("-o,--option", "K=V", takeTexts(flags.vendorOptions), "The provider's own option.");
  if (withName) arguments.option("--name", "NS/NAME", takeWord(flags.name), "Name to find it by.");
  if (!withTimeout) {
    arguments.refused("--timeout", "--timeout ends a command, and none is run here",
                      "for the life of the sandbox use --ttl");
  }
}

Result<OptionMap> parseVendorOptions(const std::vector<std::string>& pairs) {
  OptionMap options;
  for (const std::string& text : pairs) {
    auto pair = parseKeyValue(text);
    if (!pair) {
      ErrorInfo error = std::move(pair).error();
      error.what = "cannot use --option";
      return error;
    }
    std::string digits = pair->value.starts_with('-') ? pair->value.substr(1) : pair->value;
    if (pair->value == "true" || pair->value == "false") {
      options.insert_or_assign(pair->key, pair->value == "true");
    } else if (auto number = parseInteger(digits, 0, INT64_MAX); number) {
      options.insert_or_assign(pair->key, pair->value.starts_with('-') ? -*number : *number);
    } else {
      options.insert_or_assign(pair->key, pair->value);
    }
  }
  return options;
}

namespace {

/// A limit that was not given is taken from the configuration, whose values were found valid when it was read.
template <typename Parse, typename Target>
void fromConfig(const Config& config, std::string_view key, Parse parse, Target& target) {
  auto found = config.defaults.find(key);
  if (found == config.defaults.end()) return;
  if (auto value = parse(found->second)) target = *value;
}

/// "SRC:DST[:ro|rw]" lines for the provider, with SRC made absolute.
Result<std::string> mountLines(const std::vector<std::string>& mounts) {
  std::string lines;
  for (const std::string& mount : mounts) {
    std::size_t colon = mount.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == mount.size() ||
        mount.find('\n') != std::string::npos) {
      return usageFailure("cannot use --mount", "\"" + printable(mount) + "\" is not SRC:DST or SRC:DST:rw",
                          "for example --mount ./data:/data");
    }
    std::error_code failure;
    std::filesystem::path source = std::filesystem::absolute(mount.substr(0, colon), failure).lexically_normal();
    std::string path = source.string();
    if (path.size() > 1 && path.ends_with('/')) path.pop_back();
    lines += path + mount.substr(colon) + "\n";
  }
  return lines;
}

}  // namespace

Result<CreateOptions> createOptions(const SandboxFlags& flags, const CommonFlags& common, const Config& config) {
  CreateOptions options;
  options.provider = common.provider;
  options.timeout = flags.ttl;
  options.memoryBytes = flags.memory;
  options.diskBytes = flags.disk;
  options.cpuMilli = flags.cpus;
  options.processLimit = flags.pids;
  auto count = [](std::string_view text) { return parseInteger(text, 1, 1 << 22); };
  if (!options.timeout) fromConfig(config, "ttl", parseDuration, options.timeout);
  if (options.memoryBytes == 0) fromConfig(config, "memory", parseSize, options.memoryBytes);
  if (options.diskBytes == 0) fromConfig(config, "disk", parseSize, options.diskBytes);
  if (options.cpuMilli == 0) fromConfig(config, "cpus", parseCpus, options.cpuMilli);
  if (options.processLimit == 0) fromConfig(config, "pids", count, options.processLimit);
  auto net = config.defaults.find("net");
  std::string_view network =
      flags.net.empty() && net != config.defaults.end() ? std::string_view(net->second) : flags.net;
  options.network = network == "none"   ? NetworkMode::none
                    : network == "full" ? NetworkMode::full
                                        : NetworkMode::providerDefault;
  options.ports = flags.ports;
  options.metadata = flags.metadata;
  options.envs = flags.env;
  options.directory = flags.directory;
  options.image = flags.image;
  options.templateId = flags.templateId;
  options.snapshotId = flags.snapshotId;
  options.requireHardLimits = !flags.limits.empty();
  options.isolationNone = !flags.isolation.empty();
  auto vendor = parseVendorOptions(flags.vendorOptions);
  if (!vendor) return std::move(vendor).error();
  options.options = std::move(*vendor);
  if (!flags.mounts.empty()) {
    auto lines = mountLines(flags.mounts);
    if (!lines) return std::move(lines).error();
    auto [given, first] = options.options.try_emplace("mounts", *lines);
    if (!first) {  // by -o mounts=…
      const auto* text = std::get_if<std::string>(&given->second);
      given->second = (text == nullptr ? std::string{} : *text + "\n") + *lines;
    }
  }
  if (!flags.name.empty()) {
    auto name = parseSandboxName(flags.name);
    if (!name) {
      ErrorInfo error = std::move(name).error();
      error.what = "cannot use --name";
      return error;
    }
    options.name = name->name;
    options.namespace_ = name->namespace_;
  }
  options.stop = stopToken();
  return options;
}

Result<Sandbox> createSandbox(Session& session, CreateOptions options, bool findFirst) {
  if (options.isolationNone) warn("--isolation none: what runs can do whatever you can");
  auto begin = std::chrono::steady_clock::now();
  ProgressLine line;
  if (terminal().live) {
    options.onProgress = [&line](const Progress& progress) {
      std::string text = "· " + (progress.message.empty() ? progress.phase : progress.message);
      if (progress.total > 0) {
        line.bar(text, progress.done, progress.total);
      } else {
        line.show(text);
      }
    };
  }
  auto made =
      findFirst ? session.sandboxes().findOrCreate(nothrow, options) : session.sandboxes().create(nothrow, options);
  line.clear();
  if (!made) return made;
  SandboxInfo info = made->lastInfo();
  for (const std::string& notice : info.notices) warn(notice);
  if (terminal().live) {
    auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin).count();
    std::string text = "· " + info.provider + "  sandbox " + info.id;
    if (!made->name().empty()) text += " (" + made->namespace_() + "/" + made->name() + ")";
    text += "  ready in " + std::to_string(took) + " ms";
    if (!info.isolation.empty()) text += "  isolation: " + info.isolation;
    printErr(styledErr(printable(text), Style::dim) + "\n");
  }
  return made;
}

}  // namespace computesdk::cli

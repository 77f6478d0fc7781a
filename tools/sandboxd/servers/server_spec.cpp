#include "servers/server_spec.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/unique_fd.hpp"
#include "env/env_file.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kMaxSlug = 128;
constexpr std::size_t kMaxEnvFile = 1U << 20U;
constexpr std::int64_t kLongestWait = 24LL * 3600 * 1000;

bool isSlug(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.size() <= kMaxSlug && text.find_first_not_of(kAllowed) == std::string_view::npos &&
         text.find_first_not_of('.') != std::string_view::npos;
}

/// Reads fields one after the other; the first that is wrong stays in error().
class SpecReader {
 public:
  explicit SpecReader(const rapidjson::Value& object) : object_(object) {}

  std::optional<std::string> text(std::string_view name) { return keep(optionalText(object_, name)); }
  bool boolean(std::string_view name, bool otherwise) {
    return keep(optionalBoolean(object_, name)).value_or(otherwise);
  }
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most) {
    const auto value = keep(optionalInteger(object_, name));
    if (!value || (*value >= least && *value <= most)) return value;
    fail(std::string(name) + " must be from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  void wait(std::string_view name, std::chrono::milliseconds& into, std::int64_t least = 0) {
    if (const auto value = integer(name, least, kLongestWait)) into = std::chrono::milliseconds(*value);
  }
  template <typename T>
  T keep(Result<T> result) {
    if (result) return std::move(*result);
    if (!error_) error_ = result.error();
    return {};
  }
  void fail(std::string what) {
    if (!error_) error_ = invalid(std::move(what));
  }
  [[nodiscard]] const std::optional<ErrorInfo>& error() const { return error_; }

 private:
  const rapidjson::Value& object_;
  std::optional<ErrorInfo> error_;
};

/// Reads the wanted overlays of `overlay` and `overlays`.
Result<std::vector<OverlayOptions>> overlaysIn(const rapidjson::Value& object) {
  std::vector<OverlayOptions> all;
  const auto add = [&](const rapidjson::Value& value) -> Result<void> {
    auto options = overlayOptionsOf(value);
    if (!options) return options.error();
    all.push_back(std::move(*options));
    return {};
  };
  if (const auto* one = fieldOf(object, "overlay"); one != nullptr && !one->IsNull()) {
    if (!one->IsObject()) return invalid("overlay must be an object");
    if (const auto added = add(*one); !added) return added.error();
  }
  if (const auto* many = fieldOf(object, "overlays"); many != nullptr && !many->IsNull()) {
    if (!many->IsArray()) return invalid("overlays must be an array");
    for (const auto& value : many->GetArray()) {
      if (!value.IsObject()) return invalid("overlays must be an array of objects");
      if (const auto added = add(value); !added) return added.error();
    }
  }
  return all;
}

Result<std::optional<HealthCheck>> healthCheckIn(const rapidjson::Value& object) {
  const auto* field = fieldOf(object, "health_check");
  if (field == nullptr || field->IsNull()) return std::optional<HealthCheck>();
  if (!field->IsObject()) return invalid("health_check must be an object");
  SpecReader reader(*field);
  HealthCheck check;
  check.path = reader.text("path").value_or("/");
  const bool odd = std::any_of(check.path.begin(), check.path.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (check.path.empty() || check.path[0] != '/' || odd) {
    reader.fail("health_check.path must start with a slash and hold no blanks");
  }
  reader.wait("interval_ms", check.interval, 10);
  reader.wait("timeout_ms", check.timeout, 1);
  reader.wait("delay_ms", check.delay);
  if (reader.error()) return *reader.error();
  return std::optional(check);
}

void readCommands(SpecReader& reader, ServerSpec& spec) {
  spec.slug = reader.text("slug").value_or("");
  if (!isSlug(spec.slug)) reader.fail("slug must be 1 to 128 letters, digits, dots, dashes or underscores");
  const auto command = reader.text("command");
  spec.start = reader.text("start").value_or(command.value_or(""));
  if (spec.start.empty()) reader.fail("start must be a command");
  spec.install = reader.text("install").value_or("");
  for (const std::string* text : {&spec.start, &spec.install}) {
    if (text->find('\0') != std::string::npos) reader.fail("a command cannot hold a NUL");
  }
}

void readPolicy(SpecReader& reader, ServerSpec& spec) {
  if (const auto name = reader.text("restart_policy")) {
    const auto policy = policyFromName(*name);
    if (!policy) reader.fail("restart_policy must be never, on-failure or always");
    spec.policy = policy.value_or(RestartPolicy::never);
  }
  spec.maxRestarts = static_cast<std::uint32_t>(reader.integer("max_restarts", 0, 1'000'000).value_or(0));
  reader.wait("restart_delay_ms", spec.restartDelay);
  reader.wait("stop_timeout_ms", spec.stopTimeout);
}

bool isFolder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string envFilePath(const ServerSpec& spec) {
  return spec.envFile->starts_with('/') ? *spec.envFile : spec.path + "/" + *spec.envFile;
}

Result<std::string> readEnvFile(const std::string& path) {
  // A FIFO would keep whoever opens it waiting.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return invalid("env_file cannot be read: " + path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return invalid("env_file is no file: " + path);
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return invalid("env_file cannot be read: " + path, std::strerror(errno));
    if (got == 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
    if (text.size() > kMaxEnvFile) return invalid("env_file is longer than 1 MiB: " + path);
  }
}

}  // namespace

LifecycleOptions ServerSpec::lifecycle() const {
  LifecycleOptions options;
  options.install = !install.empty();
  options.policy = policy;
  options.maxRestarts = maxRestarts;
  options.restartDelay = restartDelay;
  options.stopTimeout = stopTimeout;
  if (health) options.health = HealthTimes{health->interval, health->delay};
  return options;
}

Result<ServerSpec> serverSpecOf(const Context& context, const rapidjson::Value& object) {
  if (!object.IsObject()) return invalid("a server must be an object");
  SpecReader reader(object);
  ServerSpec spec;
  readCommands(reader, spec);
  spec.originalPath = reader.text("path");
  spec.path = context.resolve(spec.originalPath.value_or(""));
  spec.envFile = reader.text("env_file");
  if (spec.envFile && spec.envFile->empty()) spec.envFile.reset();
  for (const std::string& text : {spec.path, spec.envFile.value_or("")}) {
    if (text.find('\0') != std::string::npos) reader.fail("a path cannot hold a NUL");
  }
  spec.environment = reader.keep(optionalVariables(object, "environment"));
  if (const auto port = reader.integer("port", 1, 65535)) spec.port = static_cast<std::uint16_t>(*port);
  spec.strictPort = reader.boolean("strict_port", false);
  spec.autostart = reader.boolean("autostart", true);
  spec.overlays = reader.keep(overlaysIn(object));
  spec.dependsOn = reader.keep(optionalTexts(object, "depends_on"));
  readPolicy(reader, spec);
  spec.health = reader.keep(healthCheckIn(object));
  if (reader.error()) return *reader.error();
  return spec;
}

Result<void> prepareServer(Context& context, ServerSpec& spec) {
  const auto overlays = context.find<Overlays>();
  for (const std::string& id : spec.dependsOn) {
    if (!overlays || !overlays->find(id)) return invalid("depends_on names an unknown overlay: " + id);
  }
  for (const OverlayOptions& options : spec.overlays) {
    if (!overlays) return invalid("this sandbox makes no overlays");
    auto made = overlays->create(options);
    if (!made) return made.error();
    spec.dependsOn.push_back(made->id);
  }
  spec.overlays.clear();
  if (!isFolder(spec.path)) {
    return invalid("path is no directory: " + spec.path, {}, "create it first, or give another path");
  }
  const auto variables = serverVariables(spec);
  if (!variables) return variables.error();
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> serverVariables(const ServerSpec& spec) {
  std::vector<std::pair<std::string, std::string>> variables;
  if (spec.envFile) {
    const auto text = readEnvFile(envFilePath(spec));
    if (!text) return text.error();
    variables = EnvFile::parse(*text).variables();
    // No environment can hold these.
    std::erase_if(variables, [](const auto& pair) { return !EnvFile::validValue(pair.second); });
  }
  variables.insert(variables.end(), spec.environment.begin(), spec.environment.end());
  if (spec.port) variables.emplace_back("PORT", std::to_string(*spec.port));
  return variables;
}

}  // namespace computesdk::sandboxd

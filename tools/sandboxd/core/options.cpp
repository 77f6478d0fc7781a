#include "core/options.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "core/passwd.hpp"
#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::string_view kTokenVariable = "COMPUTESDK_ACCESS_TOKEN";
constexpr std::string_view kSetupVariable = "COMPUTESDK_SETUP_B64";
/// Never handed to what runs in the sandbox.
constexpr std::string_view kSecretVariables[] = {kTokenVariable, kSetupVariable, "COMPUTESDK_API_KEY"};

ErrorInfo optionError(ErrorCode code, std::string what, std::string why = {}) {
  ErrorInfo info;
  info.code = code;
  info.what = std::move(what);
  info.why = std::move(why);
  info.fix = "computesdk-sandboxd --help";
  return info;
}

std::string trimmed(std::string text) {
  const auto isSpace = [](unsigned char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && isSpace(static_cast<unsigned char>(text.back()))) text.pop_back();
  text.erase(0, static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), isSpace) - text.begin()));
  return text;
}

Result<std::string> readSmallFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[8192];
  const auto got = file ? ::read(file.get(), buffer, sizeof buffer) : -1;
  if (got < 0) return optionError(ErrorCode::config, "cannot read " + path, std::strerror(errno));
  return std::string(buffer, static_cast<std::size_t>(got));
}

Result<void> setPort(Config& config, const std::string& value) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
  if (error != std::errc() || end != value.data() + value.size() || port > 65535) {
    return optionError(ErrorCode::usage, "--port must be a number from 0 to 65535, not " + value);
  }
  config.port = static_cast<std::uint16_t>(port);
  return {};
}

Result<void> setBaseUrl(Config& config, std::string value) {
  while (!value.empty() && value.back() == '/') value.pop_back();
  if (value.rfind("http://", 0) != 0 && value.rfind("https://", 0) != 0) {
    return optionError(ErrorCode::usage, "--base-url must begin with http:// or https://");
  }
  config.baseUrl = std::move(value);
  return {};
}

Result<void> setDirectory(Config& config, const std::string& value) {
  char path[PATH_MAX];
  struct stat about {};
  if (::realpath(value.c_str(), path) == nullptr || ::stat(path, &about) != 0) {
    return optionError(ErrorCode::config, "cannot work in the directory " + value, std::strerror(errno));
  }
  if (!S_ISDIR(about.st_mode)) return optionError(ErrorCode::config, value + " is not a directory");
  config.workingDirectory = path;
  return {};
}

Result<void> setTokenFile(Config& config, const std::string& path) {
  auto text = readSmallFile(path);
  if (!text) return std::move(text).error();
  config.accessToken = trimmed(std::move(*text));
  if (config.accessToken.empty()) return optionError(ErrorCode::config, "the access token file " + path + " is empty");
  return {};
}

/// One option with its value.
Result<void> setOption(Config& config, const std::string& name, const std::string& value) {
  if (name == "--port") return setPort(config, value);
  if (name == "--base-url") return setBaseUrl(config, value);
  if (name == "--cwd") return setDirectory(config, value);
  if (name == "--access-token-file") return setTokenFile(config, value);
  if (name == "--access-token") {
    if (value.empty()) return optionError(ErrorCode::usage, "--access-token must not be empty");
    config.accessToken = value;
    return {};
  }
  if (name == "--listen") {
    config.listen = value;
    return {};
  }
  if (name == "--unix-socket") {
    config.unixSocket = value;
    return {};
  }
  return optionError(ErrorCode::usage, "unknown option " + name);
}

/// The sandbox's own name: as the gateway says, else what its URL says.
std::string nameOf(const Config& config, const Environment& environment) {
  const auto id = environment.find("COMPUTESDK_SANDBOX_ID");
  if (id != environment.end() && !id->second.empty()) return id->second;
  const auto scheme = config.baseUrl.find("://");
  if (scheme == std::string::npos) return "main";
  const auto rest = config.baseUrl.substr(scheme + 3);
  const auto slash = rest.rfind('/');
  if (slash != std::string::npos) return rest.substr(slash + 1);
  const auto dot = rest.find('.');
  const auto label = rest.substr(0, dot);
  const bool isNumber = label.find_first_not_of("0123456789") == std::string::npos;
  return dot == std::string::npos || isNumber || label.empty() ? "main" : label;
}

Result<void> finish(Config& config, const Environment& environment, bool namedAddress) {
  const auto token = environment.find(kTokenVariable);
  if (config.accessToken.empty() && token != environment.end()) config.accessToken = token->second;
  const auto setup = environment.find(kSetupVariable);
  if (setup != environment.end() && !setup->second.empty()) {
    auto text = decodeBase64(setup->second);
    if (!text) return optionError(ErrorCode::config, "COMPUTESDK_SETUP_B64 is not base64");
    config.setup = std::move(*text);
  }
  if (config.workingDirectory.empty()) {
    if (auto set = setDirectory(config, "."); !set) return set;
  }
  // Who names a Unix socket and no address wants no port.
  if (config.listen.empty() && (config.unixSocket.empty() || namedAddress)) config.listen = "127.0.0.1";
  config.subdomain = nameOf(config, environment);
  return {};
}

}  // namespace

Result<Options> readOptions(const std::vector<std::string>& words, const Environment& environment) {
  Options options;
  bool namedAddress = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto name = words[i];
    if (i == 0 && name == "start") continue;
    if (name == "--help" || name == "-h") options.help = true;
    if (name == "--version") options.version = true;
    if (options.help || options.version) return options;
    if (name == "--verbose") {
      options.config.verbose = true;
      continue;
    }
    std::string value;
    if (const auto equals = name.find('='); name.rfind("--", 0) == 0 && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.erase(equals);
    } else if (name.rfind("--", 0) == 0 && i + 1 < words.size()) {
      value = words[++i];
    } else if (name.rfind("--", 0) == 0) {
      return optionError(ErrorCode::usage, name + " is unknown or has no value");
    } else {
      return optionError(ErrorCode::usage, "unexpected word: " + name);
    }
    if (name == "--port" || name == "--listen") namedAddress = true;
    if (auto set = setOption(options.config, name, value); !set) return std::move(set).error();
  }
  if (auto finished = finish(options.config, environment, namedAddress); !finished) return std::move(finished).error();
  return options;
}

Environment childEnvironment(Environment environment) {
  for (const auto name : kSecretVariables) {
    if (const auto at = environment.find(name); at != environment.end()) environment.erase(at);
  }
  const auto user = ownUserEntry();
  const auto fill = [&](const char* name, const std::string& value) {
    auto& entry = environment[name];
    if (entry.empty()) entry = value;
    if (entry.empty()) environment.erase(name);
  };
  fill("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  fill("HOME", user.home.empty() ? "/" : user.home);
  fill("USER", user.name);
  fill("LOGNAME", user.name);
  fill("SHELL", user.shell);
  return environment;
}

std::string_view helpText() {
  return R"(computesdk-sandboxd [start] [options]
The daemon inside a sandbox: commands, files, terminals and servers over HTTP and WebSocket.

  --access-token-file FILE  the token that clients must present; or COMPUTESDK_ACCESS_TOKEN
  --access-token TOKEN      the same, visible to others until the program has read it
  --port PORT               TCP port, 0 for any free one (18080)
  --listen ADDRESS          numeric address (127.0.0.1)
  --unix-socket PATH        listen here; without --port and --listen nowhere else
  --base-url URL            how clients reach this daemon, when something stands in front of it
  --cwd DIR                 working directory of the sandbox (the current one)
  --verbose                 an access log on stderr
  --version, --help

COMPUTESDK_SETUP_B64 may hold servers and overlays to begin with: base64 of JSON.
)";
}

void wipeSecrets(int argc, char** argv) {
  constexpr std::string_view kFlag = "--access-token";
  for (int i = 1; i < argc; ++i) {
    char* word = argv[i];
    if (word == kFlag && i + 1 < argc) {
      word = argv[++i];
    } else if (std::string_view(word).rfind("--access-token=", 0) == 0) {
      word += kFlag.size() + 1;
    } else {
      continue;
    }
    ::explicit_bzero(word, std::strlen(word));
  }
  for (const auto name : kSecretVariables) {
    if (char* value = std::getenv(name.data())) ::explicit_bzero(value, std::strlen(value));
    ::unsetenv(name.data());
  }
}

std::optional<std::string> decodeBase64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  bool padded = false;
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      padded = true;
      continue;
    }
    unsigned value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<unsigned>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<unsigned>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0') + 52;
    else if (c == '+' || c == '-')
      value = 62;
    else if (c == '/' || c == '_')
      value = 63;
    else
      return std::nullopt;
    if (padded) return std::nullopt;
    ++digits;
    bits = bits << 6U | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xFFU);
    }
  }
  if (digits % 4 == 1) return std::nullopt;
  return out;
}

}  // namespace computesdk::sandboxd

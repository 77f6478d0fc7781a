#include "config/settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace computesdk::gateway {
namespace {

constexpr std::array kKeys = {
    SettingKey{"listen", "address:port", true},
    SettingKey{"api_key_file", "file", true},
    SettingKey{"default_provider", "name", true},
    SettingKey{"public_url", "URL", true},
    SettingKey{"public_domain", "domain", true},
    SettingKey{"store", "sqlite:FILE or redis://HOST:PORT", true},
    SettingKey{"tls_cert", "file", true},
    SettingKey{"tls_key", "file", true},
    SettingKey{"default_timeout", "duration", true},
    SettingKey{"max_timeout", "duration, 0 for none", true},
    SettingKey{"drain", "duration", true},
    SettingKey{"max_sandboxes", "whole number, 0 for no limit", true},
    SettingKey{"rate_limit", "requests a minute, 0 for no limit", true},
    SettingKey{"workers", "whole number from 1 to 1024", true},
    SettingKey{"access_log", "true or false", true},
    SettingKey{"metrics_need_key", "true or false", false},
    SettingKey{"client_urls", "true or false", false},
    SettingKey{"patience", "duration", false},
};

ErrorInfo usage(std::string_view key, std::string_view type) {
  std::string option(key);
  std::ranges::replace(option, '_', '-');
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.what = "cannot use --" + option;
  error.why = "its value must be: " + std::string(type);
  error.fix = "computesdk gateway serve --help";
  return error;
}

ErrorInfo config(std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::config;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

bool number(std::string_view text, std::int64_t least, std::int64_t most, std::int64_t& target) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < least || value > most) return false;
  target = value;
  return true;
}

bool flag(std::string_view text, bool& target) {
  if (text != "true" && text != "false") return false;
  target = text == "true";
  return true;
}

bool duration(std::string_view text, std::chrono::milliseconds& target) {
  const auto value = parseDuration(text);
  if (!value) return false;
  target = *value;
  return true;
}

bool listenOn(std::string_view text, Settings& settings) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  std::int64_t port = 0;
  if (address.empty() || !number(text.substr(colon + 1), 0, 65535, port)) return false;
  settings.listenAddress = address == "localhost" ? "127.0.0.1" : std::string(address);
  settings.listenPort = static_cast<std::uint16_t>(port);
  return true;
}

bool text(std::string_view value, std::string& target) {
  if (value.empty()) return false;
  target = value;
  return true;
}

bool url(std::string_view value, std::string& target) {
  while (value.ends_with('/')) value.remove_suffix(1);
  const std::size_t scheme = value.starts_with("http://") ? 7 : value.starts_with("https://") ? 8 : 0;
  if (scheme == 0 || value.size() <= scheme || value[scheme] == '/' || value.find_first_of(" ?#\r\n") != value.npos)
    return false;
  target = value;
  return true;
}

bool domain(std::string_view value, std::string& target) {
  if (value.empty() || value.size() > 200 || value.front() == '.' || value.back() == '.') return false;
  std::string lower(value);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) return false;
  }
  target = lower;
  return true;
}

bool assign(Settings& s, std::string_view key, std::string_view value) {
  std::int64_t count = 0;
  if (key == "listen") return listenOn(value, s);
  if (key == "api_key_file") return text(value, s.apiKeyFile);
  if (key == "default_provider") return text(value, s.defaultProvider);
  if (key == "public_url") return url(value, s.publicUrl);
  if (key == "public_domain") return domain(value, s.publicDomain);
  if (key == "store") return text(value, s.store);
  if (key == "tls_cert") return text(value, s.tlsCertificate);
  if (key == "tls_key") return text(value, s.tlsKey);
  if (key == "default_timeout") return duration(value, s.defaultTimeout);
  if (key == "max_timeout") return duration(value, s.maxTimeout);
  if (key == "patience") return duration(value, s.patience) && s.patience.count() > 0;
  if (key == "drain") return duration(value, s.drain);
  if (key == "max_sandboxes") return number(value, 0, 1'000'000, s.maxSandboxes);
  if (key == "rate_limit") return number(value, 0, 1'000'000'000, s.rateLimit);
  if (key == "workers") return number(value, 1, 1024, count) && (s.workers = count, true);
  if (key == "access_log") return flag(value, s.accessLog);
  if (key == "metrics_need_key") return flag(value, s.metricsNeedKey);
  if (key == "client_urls") return flag(value, s.clientUrls);
  return false;
}

}  // namespace

std::span<const SettingKey> settingKeys() { return kKeys; }

Result<void> setSetting(Settings& settings, std::string_view key, std::string_view value) {
  if (assign(settings, key, value)) return {};
  const auto* known = std::ranges::find(kKeys, key, &SettingKey::key);
  return usage(key, known == kKeys.end() ? "(there is no such option)" : known->type);
}

Result<void> completeSettings(Settings& settings,
                              const std::function<std::optional<std::string>(std::string_view)>& environment) {
  if (settings.tlsCertificate.empty() != settings.tlsKey.empty()) {
    return config("cannot use TLS", "only one of tls_cert and tls_key is given", "give both, or neither");
  }
  if (settings.maxTimeout.count() != 0 && settings.defaultTimeout > settings.maxTimeout) {
    return config("cannot use default_timeout", "it is longer than max_timeout", "shorten it, or raise max_timeout");
  }
  if (settings.maxTimeout.count() != 0 && settings.defaultTimeout.count() == 0) {
    return config("cannot use default_timeout", "without an end sandboxes live longer than max_timeout",
                  "give one, or set max_timeout = 0");
  }
  if (settings.store.empty()) settings.store = environment(kStoreVariable).value_or("");
  if (settings.store.empty()) {
    std::string folder = environment("STATE_DIRECTORY").value_or("");
    if (folder.empty()) {
      std::string state = environment("XDG_STATE_HOME").value_or("");
      if (state.empty()) {
        const std::string home = environment("HOME").value_or("");
        if (!home.starts_with('/')) {
          return config("cannot choose where the gateway's records go", "HOME is not set", "give --store sqlite:FILE");
        }
        state = home + "/.local/state";
      }
      folder = state + "/computesdk";
    }
    settings.store = "sqlite:" + folder.substr(0, folder.find(':')) + "/gateway.db";
  }
  return {};
}

bool holdsPassword(std::string_view store) noexcept {
  const std::size_t scheme = store.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view authority = store.substr(scheme + 3, store.find('/', scheme + 3) - scheme - 3);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return false;
  const std::size_t colon = authority.find(':');
  return colon < at && colon + 1 != at;
}

bool isWorkspace(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 18 && (text.size() == 1 || text.front() != '0') &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::chrono::milliseconds> parseDuration(std::string_view text) noexcept {
  struct Unit {
    std::string_view name;
    std::int64_t millis;
  };
  constexpr std::array<Unit, 5> kUnits = {{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  constexpr std::int64_t kMost = 1'000'000'000'000;
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  while (!text.empty()) {
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || value < 0 || value > kMost) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t length = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view name = text.substr(0, length);
    if (name.empty() && total == 0 && value == 0) return std::chrono::milliseconds(0);
    const auto* unit = std::ranges::find(kUnits, name, &Unit::name);
    if (unit == kUnits.end() || value > kMost / unit->millis) return std::nullopt;
    total += value * unit->millis;
    if (total > kMost) return std::nullopt;
    text.remove_prefix(length);
  }
  return std::chrono::milliseconds(total);
}

Result<std::vector<GivenKey>> parseKeyFile(std::string_view text, const std::string& file) {
  std::vector<GivenKey> keys;
  std::size_t line = 0;
  while (!text.empty()) {
    ++line;
    const std::size_t end = text.find('\n');
    std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto first = row.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || row[first] == '#') continue;
    row = row.substr(first, row.find_last_not_of(" \t\r") - first + 1);
    GivenKey given;
    if (const std::size_t space = row.find_first_of(" \t"); space != std::string_view::npos) {
      given.workspace = row.substr(0, space);
      row.remove_prefix(row.find_first_not_of(" \t", space));
    }
    given.key = row;
    if (!isWorkspace(given.workspace) || row.size() < 16 || row.size() > 512 || row.find_first_of(" \t") != row.npos) {
      return config("cannot use " + file, "line " + std::to_string(line) + " is neither KEY nor WORKSPACE KEY",
                    "a key has 16 to 512 characters, a workspace is a number; make one: computesdk gateway key create");
    }
    keys.push_back(std::move(given));
  }
  if (keys.empty()) return config("cannot use " + file, "it holds no key", "write one key a line");
  return keys;
}

Result<std::string> readSecretFile(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return config("cannot read " + file, std::strerror(errno), "check the path");
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat status {};
  if (::fstat(fd, &status) != 0 || (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return config("cannot use " + file, "everybody on this machine may read or write it", "chmod 600 " + file);
  }
  std::string text;
  std::array<char, 4096> buffer{};
  constexpr std::size_t kMost = 1 << 20;
  while (text.size() < kMost) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return config("cannot read " + file, std::strerror(errno), "check the path");
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace computesdk::gateway

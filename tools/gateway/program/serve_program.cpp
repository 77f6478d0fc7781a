#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "access/api_keys.hpp"
#include "gateway.hpp"
#include "program/line_log.hpp"
#include "program/programs.hpp"
#include "store/store.hpp"

namespace computesdk::gateway {
namespace {

constexpr const char* kKeyVariable = "COMPUTESDK_GATEWAY_KEY";

/// Signals that end the program or make it read its certificate again. Blocked before there is any thread.
sigset_t blockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

/// Each WebSocket takes two descriptors.
void raiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<std::vector<GivenKey>> givenKeys(const Settings& settings) {
  std::vector<GivenKey> keys;
  if (!settings.apiKeyFile.empty()) {
    auto text = readSecretFile(settings.apiKeyFile);
    if (!text) return std::move(text).error();
    auto parsed = parseKeyFile(*text, settings.apiKeyFile);
    if (!parsed) return parsed;
    keys = std::move(*parsed);
  }
  if (const auto key = environmentVariable(kKeyVariable)) keys.push_back({*key, "0"});
  if (!settings.apiKey.empty()) {
    std::fputs(
        "warning: --api-key shows the key to every user of this machine; use --api-key-file or "
        "COMPUTESDK_GATEWAY_KEY\n",
        stderr);
    keys.push_back({settings.apiKey, "0"});
  }
  const bool weak = std::ranges::any_of(keys, [](const GivenKey& each) { return each.key.size() < 16; });
  if (weak) std::fputs("warning: an API key has fewer than 16 characters and can be guessed\n", stderr);
  return keys;
}

/// A gateway without a key serves nobody: a person gets one, a service says what is missing.
Result<void> ensureKey(const Settings& settings) {
  auto store = Store::open(settings.store);
  if (!store) return std::move(store).error();
  auto known = (*store)->keys();
  if (!known) return std::move(known).error();
  if (std::ranges::any_of(*known, [](const ApiKey& key) { return key.revokedMs == 0; })) return {};
  if (::isatty(STDERR_FILENO) == 0) {
    ErrorInfo error;
    error.code = ErrorCode::config;
    error.what = "cannot serve";
    error.why = "there is no API key, so nobody could use the gateway";
    error.fix =
        settings.store.starts_with("sqlite:")
            ? "make one: computesdk gateway key create --store " + settings.store
            : "make one: computesdk gateway key create, with the same --config or " + std::string(kStoreVariable);
    return error;
  }
  auto made = ApiKeys::create(**store, "0", "first");
  if (!made) return std::move(made).error();
  std::fprintf(stderr, "An API key was made; it is shown this once:\n\n  export COMPUTESDK_API_KEY=%s\n\n",
               made->key.c_str());
  return {};
}

int waitForTheEnd(Gateway& gateway, const sigset_t& signals, LineLog& log) {
  while (true) {
    int number = 0;
    if (::sigwait(&signals, &number) != 0) continue;
    if (number != SIGHUP) {
      log.write("gateway: ending, requests under way may finish");
      gateway.stop();
      return 0;
    }
    const auto reloaded = gateway.reload();
    log.write(reloaded ? std::string("gateway: read its certificate again")
                       : "gateway: " + reloaded.error().firstLine());
  }
}

}  // namespace

int serveProgram(std::span<const std::string> words) {
  const sigset_t signals = blockSignals();
  raiseDescriptorLimit();
  auto read = readCommandWords(words);
  if (!read) return tell(read.error());
  if (!read->others.empty()) {
    ErrorInfo error;
    error.code = ErrorCode::usage;
    error.what = "cannot serve";
    error.why = "\"" + read->others.front() + "\" was not expected here";
    error.fix = "computesdk gateway serve --help";
    return tell(error);
  }
  Gateway::Options options;
  options.settings = read->settings;
  auto keys = givenKeys(read->settings);
  if (!keys) return tell(keys.error());
  if (keys->empty()) {
    if (auto ensured = ensureKey(read->settings); !ensured) return tell(ensured.error());
  }
  options.keys = std::move(*keys);
  // What the gateway starts inherits its environment; these are none of its business.
  ::unsetenv(kKeyVariable);
  ::unsetenv(kStoreVariable);

  LineLog log;
  if (read->settings.accessLog) options.accessLog = [&log](std::string line) { log.write(std::move(line)); };
  options.log = [&log](int level, std::string_view text) {
    if (level >= 3) log.write((level >= 4 ? "error: " : "warning: ") + std::string(text));
  };
  auto gateway = Gateway::open(std::move(options));
  if (!gateway) return tell(gateway.error());
  if (auto started = (*gateway)->start(); !started) return tell(started.error());
  const Settings& settings = read->settings;
  const bool v6 = settings.listenAddress.find(':') != std::string::npos;
  log.write("gateway: listening on " + std::string(settings.tlsCertificate.empty() ? "http://" : "https://") +
            (v6 ? "[" + settings.listenAddress + "]" : settings.listenAddress) + ":" +
            std::to_string((*gateway)->port()) + ", default provider " + settings.defaultProvider);
  return waitForTheEnd(**gateway, signals, log);
}

}  // namespace computesdk::gateway

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "core/failure.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// gateway serve | key: another program does the work, so that this one stays small. What is said here about its options
// is checked here; their values are checked there.
namespace computesdk::cli {
namespace {

constexpr const char* kProgram = "computesdk-gateway";

/// Options in their order, as words for the other program.
class Handover {
 public:
  explicit Handover(std::string verb) : words_{kProgram, std::move(verb)} {}

  Arguments& option(Arguments& arguments, std::string name, std::string_view value, std::string_view help) {
    Taker taker = [this, name](std::string_view text) -> Result<void> {
      words_.push_back(name + "=" + std::string(text));
      return {};
    };
    return arguments.option(std::move(name), value, std::move(taker), help);
  }
  void add(std::string word) { words_.push_back(std::move(word)); }

  /// Becomes that program; returns only when it cannot.
  int become() {
    std::error_code code;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", code);
    const std::string path = (self.parent_path() / kProgram).string();
    std::vector<char*> argv;
    for (std::string& word : words_) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(path.c_str(), argv.data());
    ErrorInfo error = fileFailure("run", path, errno);
    error.fix = "reinstall ComputeSDK: the gateway comes with it";
    return fail(error, false);
  }

 private:
  std::vector<std::string> words_;
};

}  // namespace

int gatewayServeVerb(std::span<const std::string> words) {
  Handover handover("serve");
  std::string apiKey;
  bool accessLog = false;
  Arguments arguments({"gateway serve",
                       "[options]",
                       "Serve sandboxes to ComputeSDK clients over HTTP, until SIGTERM. Clients need an API key: "
                       "computesdk gateway key create.",
                       {"computesdk gateway serve", "computesdk gateway serve --config /etc/computesdk/gateway.toml",
                        "computesdk gateway serve --listen 0.0.0.0:8080 --public-url https://sandboxes.example.org"}});
  handover.option(arguments, "--listen", "ADDR:PORT", "Where to listen; 127.0.0.1:8080 unless said.");
  handover.option(arguments, "--config", "FILE", "Settings in TOML; what is given here counts over it.");
  handover.option(arguments, "--api-key-file", "FILE", "API keys, one a line: KEY or WORKSPACE KEY.");
  arguments.option("--api-key", "KEY", takeWord(apiKey), "An API key. Other users can read it: better a file.");
  handover.option(arguments, "--default-provider", "NAME", "Who serves when a client names none; local unless said.");
  handover.option(arguments, "--public-url", "URL", "How clients reach the gateway.");
  handover.option(arguments, "--public-domain", "DOMAIN", "Sandboxes get hosts below it: ID.DOMAIN, ID-PORT.DOMAIN.");
  handover.option(arguments, "--store", "URL",
                  "sqlite:FILE or redis://HOST:PORT. With a password: COMPUTESDK_GATEWAY_STORE.");
  handover.option(arguments, "--tls-cert", "FILE", "Certificates in PEM, the gateway's own first.");
  handover.option(arguments, "--tls-key", "FILE", "Its private key in PEM.");
  handover.option(arguments, "--default-timeout", "DUR", "Life of a sandbox when its maker does not say; 1h.");
  handover.option(arguments, "--max-timeout", "DUR", "Longest life; 24h, 0 for any.");
  handover.option(arguments, "--max-sandboxes", "N", "Most sandboxes of a workspace at once; 100, 0 for any.");
  handover.option(arguments, "--rate-limit", "N", "Most requests of a key in a minute; 1200, 0 for any.");
  handover.option(arguments, "--workers", "N", "Threads that wait for providers; 64.");
  handover.option(arguments, "--drain", "DUR", "How long requests may take to finish at the end; 10s.");
  arguments.flag("--access-log", accessLog, "A JSON line on stderr for each request.");
  if (auto code = parseWords(arguments, words)) return *code;
  if (accessLog) handover.add("--access-log");
  if (!apiKey.empty()) {
    warn("--api-key shows the key to every user of this machine; use --api-key-file or COMPUTESDK_GATEWAY_KEY");
    ::setenv("COMPUTESDK_GATEWAY_KEY", apiKey.c_str(), 1);
  }
  return handover.become();
}

int gatewayKeyVerb(std::span<const std::string> words) {
  Handover handover("key");
  std::string action;
  std::string id;
  bool json = false;
  Arguments arguments({"gateway key",
                       "create|list|revoke [options]",
                       "The API keys of a gateway. create prints the key, this once; list shows what is known of "
                       "keys; revoke ID ends one, at once.",
                       {"computesdk gateway key create --label ci", "computesdk gateway key list",
                        "computesdk gateway key revoke key_1a2b3c4d5e6f"}});
  arguments.positional("ACTION", action);
  arguments.positional("ID", id, false);
  handover.option(arguments, "--workspace", "N", "Whose the key is: a number; 0 unless said.");
  handover.option(arguments, "--label", "TEXT", "What it is for; shown by list.");
  handover.option(arguments, "--store", "URL",
                  "The gateway's store, as with gateway serve; also COMPUTESDK_GATEWAY_STORE.");
  handover.option(arguments, "--config", "FILE", "The gateway's settings.");
  arguments.flag("--json", json, "Print JSON.");
  if (auto code = parseWords(arguments, words)) return *code;
  if (json) handover.add("--json");
  handover.add(action);
  if (!id.empty()) handover.add(id);
  return handover.become();
}

}  // namespace computesdk::cli

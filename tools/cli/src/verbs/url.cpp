#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int urlVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string word;
  std::string portText;
  std::string protocol;
  Arguments arguments({"url",
                       "SB PORT [options]",
                       "The address at which a port of the sandbox is reached.",
                       {"computesdk url ci/build 3000", "curl $(computesdk url SB 8080)",
                        "computesdk url SB 3000 --protocol ws --json"}});
  arguments.option("--protocol", "P", takeChoice(protocol, {"http", "https", "ws", "wss"}), "http, https, ws or wss.");
  addCommonFlags(arguments, common);
  arguments.positional("SB", word).positional("PORT", portText);
  if (auto code = parseWords(arguments, words)) return *code;
  auto port = parsePort(portText);
  if (!port) {
    ErrorInfo error = std::move(port).error();
    error.what = "cannot use the port";
    return fail(error, common.json);
  }
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  auto url = sandbox->getPortUrl(nothrow, {.port = *port, .protocol = protocol, .stop = stopToken()});
  if (!url) return fail(url.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginObject().field("url", url->url).field("headers", url->headers).field("expires_at", url->expiresAt);
    print(json.endObject().str() + "\n");
    return 0;
  }
  print(url->url + "\n");
  if (!url->headers.empty()) warn("requests must carry headers, which hold a secret: see --json");
  return 0;
}

}  // namespace computesdk::cli

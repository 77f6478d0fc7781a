// Routing and percent-decoding: what a route captures is the path itself, decoded once or not at all, and what the log
// shows of a target has no token in it.
#include <computesdk/serving/router.hpp>
#include <computesdk/serving/server.hpp>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using namespace serving;

const Router& routes() {
  static const Router all = [] {
    Router router;
    const Handler none = [](const Request&) { return Response::noContent(); };
    for (const char* pattern :
         {"/", "/health", "/files", "/files/batch", "/files/**", "/servers/:slug", "/servers/:slug/logs",
          "/terminals/:id/commands/:cid/wait", "/s/:id/p/:port/**", "/s/:id/**"}) {
      router.on("GET", pattern, none);
    }
    router.on("POST", "/servers/:slug/stop", none);
    router.on("*", "/any/**", none);
    return router;
  }();
  return all;
}

/// Every capture is found in the path, in order.
void checkCaptures(const Router::Match& match, std::string_view path) {
  require(!match.badEncoding || match.route != nullptr, "only a route has captures");
  require(path.front() == '/', "only paths match");
  for (const auto& [name, value] : match.captures) {
    if (name == "**") {
      require(path.ends_with("/" + value), "the rest is the end of the path, undecoded");
    } else if (!match.badEncoding) {
      require(!value.empty(), "a segment is not empty");
    }
  }
}

}  // namespace

std::vector<std::string> seeds() {
  return {"/files//tmp/a%20b",     "/files/%2Ftmp%2Fa",      "/servers/a%2fb/logs",
          "/s/x/p/80/y?token=abc", "/any/thing?a=1&token=x", "/terminals/1/commands/2/wait?timeout=3"};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  using namespace computesdk::serving;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* method : {"GET", "HEAD", "POST", "BREW"}) {
    const auto match = routes().match(method, text);
    if (match.route != nullptr) checkCaptures(match, text);
    require(match.route == nullptr || match.allow.empty(), "a match allows what was asked");
  }
  require(percentDecode(percentEncode(text)) == text, "what is encoded can be decoded");
  if (const auto decoded = percentDecode(text)) require(decoded->size() <= size, "decoding does not grow");
  const std::string masked = maskTarget(text);
  require(maskTarget(masked) == masked, "what is masked stays so");
  Request request;
  request.query = text;
  static_cast<void>(request.queryValue("token"));
  const std::string json = jsonString(text);
  require(json.size() >= 2 && json.find('\n') == std::string::npos, "a JSON string is one line");
  return 0;
}

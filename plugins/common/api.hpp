#pragma once

#include "common/json.hpp"
#include "common/json_writer.hpp"
#include "common/session.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::vendor {

/// One of a vendor's services: where it is, who is asking, what its failures mean. Made once a provider (or once a
/// call, for a service of one sandbox) and not changed afterwards: use it from any thread.
///
///   Answer answer = api.send(session, api.post("/v2/sandboxes", body));
///   JsonDocument made = api.json(answer, "create");
class Api {
 public:
  struct Settings {
    std::string title;                     ///< as messages name it: "E2B"
    std::string baseUrl;                   ///< without a slash at its end
    std::string userAgent;                 ///< "computesdk-e2b/0.1.0"
    Headers headers = {};                  ///< of every request
    Headers secretHeaders = {};            ///< {"Authorization", "Bearer ${api_key}"}
    std::string keyFix = {};               ///< what to do about a refused key: "check E2B_API_KEY: https://…"
    std::vector<std::string> hidden = {};  ///< values that no message may show: tokens of one sandbox
    /// The vendor's own meaning of a failure; sees one that was made by the common rules, and may change it.
    std::function<void(const Answer&, Failure&)> refine = {};
  };
  explicit Api(Settings settings) : settings_(std::move(settings)) {}

  // Requests with the common headers. `path` begins with a slash, or is a whole URL of this vendor's. A GET and a
  // DELETE are idempotent, the others are repeated only when nothing was sent; change `retry` where that is not so.
  [[nodiscard]] Request request(std::string_view method, std::string_view path) const;
  [[nodiscard]] Request get(std::string_view path) const { return request("GET", path); }
  [[nodiscard]] Request remove(std::string_view path) const { return request("DELETE", path); }
  [[nodiscard]] Request post(std::string_view path, const JsonValue& body) const {
    return withBody("POST", path, body);
  }
  [[nodiscard]] Request withBody(std::string_view method, std::string_view path, const JsonValue& body) const;

  /// The answer, if it is a success (2xx); throws plugin::Error for everything else.
  Answer send(Session& session, const Request& request) const;
  /// The same, but an answer with one of these statuses is returned too.
  Answer send(Session& session, const Request& request, std::initializer_list<int> alsoGood) const;
  /// Body of an answer as JSON. Throws (PROTOCOL), naming the operation.
  [[nodiscard]] JsonDocument json(const Answer& answer, std::string_view operation) const;

  /// What an answer that is no success means here. `changes`: the request was one that changes something, so that a
  /// 500, 502 or 504 leaves open whether it did.
  [[nodiscard]] Failure failure(const Session& session, const Answer& answer, bool changes) const;
  /// A failure without an answer, or inside a stream, in this vendor's words.
  [[nodiscard]] Failure explain(Failure failure) const;

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

 private:
  Settings settings_;
};

}  // namespace computesdk::vendor

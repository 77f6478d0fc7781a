#pragma once

#include <computesdk/serving/router.hpp>

#include "access/access_tokens.hpp"
#include "access/api_keys.hpp"
#include "access/failure_limiter.hpp"
#include "config/settings.hpp"
#include "sandboxes/sandboxes.hpp"

#include <functional>
#include <string>

namespace computesdk::gateway {

/// The calls under /v1, with the envelope that clients expect: {"success":true,"data":…}. All of its parts are the
/// caller's and outlive it.
class Api {
 public:
  struct Parts {
    Sandboxes& sandboxes;
    const ApiKeys& keys;
    const AccessTokens& tokens;
    const Settings& settings;
    /// A sandbox is there that will soon be asked for its daemon.
    std::function<void(const std::string& id)> warm;
  };
  explicit Api(Parts parts) : parts_(std::move(parts)) {}

  void addRoutes(serving::Router& router);

 private:
  using Request = serving::Request;
  using Response = serving::Response;

  std::optional<Response> checkHead(Request& request);
  std::optional<Response> checkKey(Request& request);
  void create(const Request& request, const serving::Reply& reply);
  void findOrCreate(const Request& request, const serving::Reply& reply);
  Response find(const Request& request);
  Response get(const Request& request);
  Response list(const Request& request);
  Response destroy(const Request& request);
  Response extend(const Request& request);
  Response createSnapshot(const Request& request);
  Response listSnapshots(const Request& request);
  Response removeSnapshot(const Request& request);

  [[nodiscard]] Response sandboxAnswer(const SandboxRecord& record) const;
  [[nodiscard]] std::string sandboxJson(const SandboxRecord& record) const;

  const Parts parts_;
  FailureLimiter failures_{30, std::chrono::seconds(60)};
};

/// An answer for a failure. `missingIsTheSandbox`: whether E_NOT_FOUND means what the request is about.
serving::Response failureAnswer(const ErrorInfo& error, bool missingIsTheSandbox);

/// The description of all this, OpenAPI 3.1.
std::string_view openApiDocument() noexcept;

}  // namespace computesdk::gateway

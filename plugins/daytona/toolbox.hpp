#pragma once

#include "common/api.hpp"
#include "daytona/connection.hpp"
#include "daytona/settings.hpp"

#include <computesdk/provider/call.hpp>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace computesdk::daytona {

/// The daemon inside one sandbox, for one call.
class Toolbox {
 public:
  /// Takes the connection from the target's token, or asks Daytona for it (without waking the sandbox) and hands the
  /// new token to the host.
  Toolbox(vendor::Session& session, const vendor::Api& control, const Settings& settings, const csdk_target& target);
  /// For a sandbox that was made in this call.
  Toolbox(vendor::Session& session, const vendor::Api& control, const Settings& settings, Connection connection);

  [[nodiscard]] vendor::Request request(std::string_view method, std::string_view path) const;
  [[nodiscard]] vendor::Request post(std::string_view path, const vendor::JsonValue& body) const {
    return api_->post(path, body);
  }
  [[nodiscard]] vendor::Request webSocket(std::string_view path) const;

  /// The answer, if it is a success or has one of these statuses and comes from the daemon itself.
  vendor::Answer send(const vendor::Request& request, std::initializer_list<int> alsoGood = {});
  [[nodiscard]] vendor::JsonDocument json(const vendor::Answer& answer, std::string_view operation) const {
    return api_->json(answer, operation);
  }
  /// What an answer that is no success means. Where it may be that the sandbox does not run, Daytona is asked.
  vendor::Failure failure(const vendor::Answer& answer, bool changes = false);
  /// What a connection that broke in the middle means: the sandbox may be gone.
  vendor::Failure broken(vendor::Failure failure);

  [[nodiscard]] vendor::Session& session() const noexcept { return session_; }
  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }

 private:
  void makeApi();
  /// Nothing when it runs.
  std::optional<vendor::Failure> whyNotRunning();

  vendor::Session& session_;
  const vendor::Api& control_;
  const Settings& settings_;
  Connection connection_;
  std::optional<vendor::Api> api_;
};

}  // namespace computesdk::daytona

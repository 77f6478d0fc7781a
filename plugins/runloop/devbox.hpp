#pragma once

#include "common/results.hpp"
#include "runloop/settings.hpp"

#include <computesdk/provider/call.hpp>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

// Devboxes: what Runloop says of them, and how one is reached.
namespace computesdk::runloop {

/// Metadata that this provider adds; never shown.
inline constexpr std::string_view kCreateLabel = "computesdk-create";

/// What a token holds: what was asked for at create, and the tunnel once there is one.
struct Memory {
  std::string directory;  ///< working directory that was asked for
  std::string tunnelKey, tunnelToken;

  static Memory of(csdk_bytes token);
  /// With the tunnel of a devbox's view.
  Memory with(vendor::Json view) const;
  [[nodiscard]] std::string token() const;
};

/// One devbox, for one call.
class Devbox {
 public:
  Devbox(vendor::Session& session, const vendor::Api& api, const csdk_target& target);

  [[nodiscard]] vendor::Session& session() const noexcept { return session_; }
  [[nodiscard]] const vendor::Api& api() const noexcept { return api_; }
  [[nodiscard]] const plugin::Call& call() const noexcept { return session_.call(); }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const Memory& memory() const noexcept { return memory_; }
  /// "/v1/devboxes/ID/OPERATION"
  [[nodiscard]] std::string path(std::string_view operation = {}) const;

  /// A POST that is harmless to repeat.
  [[nodiscard]] vendor::Request repeatable(std::string_view operation, const vendor::JsonValue& body) const;
  /// The answer if it is a success, or of one of these statuses; throws what anything else means for this devbox.
  vendor::Answer send(const vendor::Request& request, std::initializer_list<int> alsoGood = {}) const;
  /// What an answer means. Looks at the devbox where that makes the difference: it may be gone, or not running.
  [[nodiscard]] plugin::Error explain(const vendor::Answer& answer, bool changes) const;

  /// Its view. Throws GONE when it is not there or shut down: those stay readable for ever.
  [[nodiscard]] vendor::JsonDocument look() const;
  /// Waits until it runs, or for one of `states` in the vendor's words. Throws when it fails or ends instead.
  [[nodiscard]] vendor::JsonDocument waitFor(std::initializer_list<std::string_view> states) const;
  /// Pushes it as it is in `view`.
  void emit(vendor::Json view) const;

 private:
  vendor::Session& session_;
  const vendor::Api& api_;
  std::string id_;
  Memory memory_;
};

std::uint32_t statusOf(std::string_view status);
/// A view as a result, without token and native JSON.
vendor::SandboxResult resultOf(vendor::Json view);

/// All devboxes that are not shut down, as long as `each` says true.
void listAlive(vendor::Session& session, const vendor::Api& api, const std::function<bool(vendor::Json)>& each);
/// All pages of a list: items below `name`, each with an id. False: `each` wants no more.
bool listPages(vendor::Session& session, const vendor::Api& api, std::string_view path, std::string_view query,
               std::string_view name, const std::function<bool(vendor::Json)>& each);
/// Idempotent.
void destroyDevbox(vendor::Session& session, const vendor::Api& api, std::string_view id);

/// The body of a create. Throws plugin::Error for what Runloop cannot do.
vendor::JsonValue createBody(const csdk_create_args& args);

}  // namespace computesdk::runloop

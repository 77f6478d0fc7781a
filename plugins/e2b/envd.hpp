#pragma once

#include "common/api.hpp"
#include "e2b/connection.hpp"

#include <computesdk/provider/call.hpp>

#include <string>
#include <string_view>

namespace computesdk::e2b {

/// The daemon inside one sandbox, for one call: Connect in JSON, and plain HTTP for the contents of files.
class Envd {
 public:
  /// Takes the connection from the target's token, or asks E2B for it (without waking the sandbox) and hands the new
  /// token to the host. `user`: the Linux user of commands and files; empty: the template's.
  Envd(vendor::Session& session, const vendor::Api& control, const Settings& settings, const csdk_target& target,
       std::string_view user = {});
  /// For a sandbox that was made in this call.
  Envd(vendor::Session& session, const vendor::Api& control, const Settings& settings, Connection connection);

  /// A unary method: "filesystem.Filesystem/Stat". Throws plugin::Error for an error, unless its Connect code is
  /// `alsoGood`: then the document is that error.
  vendor::JsonDocument rpc(std::string_view method, const vendor::JsonValue& message, std::string_view alsoGood = {});
  [[nodiscard]] vendor::Request rpcRequest(std::string_view method, const vendor::JsonValue& message) const;
  /// A method that streams its answer; `timeoutMs` 0: none.
  [[nodiscard]] vendor::Request streamRequest(std::string_view method, const vendor::JsonValue& message,
                                              std::int64_t timeoutMs) const;
  /// GET or POST of a file's content.
  [[nodiscard]] vendor::Request fileRequest(std::string_view method, std::string_view path) const;

  /// What an answer of the daemon that is no success means. A 502 says that the sandbox does not run: E2B is asked
  /// whether it is paused or gone.
  vendor::Failure failure(const vendor::Answer& answer);
  /// What an error inside a stream means.
  [[nodiscard]] vendor::Failure failure(std::string_view code, std::string_view message) const;
  /// What a connection that broke in the middle means: the sandbox may be gone.
  vendor::Failure broken(vendor::Failure failure);

  [[nodiscard]] vendor::Session& session() const noexcept { return session_; }
  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }

 private:
  void makeApi(std::string_view user);
  /// Nothing when it runs.
  std::optional<vendor::Failure> whyNotRunning();

  vendor::Session& session_;
  const vendor::Api& control_;
  const Settings& settings_;
  Connection connection_;
  std::optional<vendor::Api> api_;
};

/// GET /sandboxes/{id}: neither wakes nor extends. Throws (GONE) when there is none.
vendor::JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id);

}  // namespace computesdk::e2b

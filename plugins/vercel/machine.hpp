#pragma once

#include "common/json_writer.hpp"
#include "common/token.hpp"
#include "vercel/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::vercel {

/// Where commands start unless something else is asked for.
inline constexpr std::string_view kHome = "/vercel/sandbox";

/// What the token of a sandbox holds. A sandbox is named and lasts; its work is done in a session, one run of it.
struct Handle {
  std::string name;
  std::string session;    ///< "sbx_…"
  std::string directory;  ///< where commands start: Vercel's own, or the one that was asked for at create
  std::vector<std::pair<unsigned, std::string>> routes;  ///< port and subdomain

  /// From the token of a call; nothing when it does not hold enough, so that Vercel has to be asked.
  static std::optional<Handle> of(const csdk_target& target);
  /// From an answer to create, get or fork; `asked`: the directory that was asked for at create, or empty.
  static Handle of(vendor::Json answer, std::string_view asked);
  /// Replaces the routes by those of an answer.
  void takeRoutes(vendor::Json list);

  [[nodiscard]] std::string token() const;
  /// Of that port; nothing when there is no route for it.
  [[nodiscard]] std::optional<std::string> host(unsigned port) const;
};

/// Everything in the session of one sandbox: what a call sends there and what failures mean.
class Machine {
 public:
  /// Takes the handle from the target's token, or asks Vercel for it (without waking the sandbox) and hands the new
  /// token to the host.
  Machine(vendor::Session& session, const vendor::Api& control, const Settings& settings, const csdk_target& target);
  /// For a sandbox that was made in this call.
  Machine(vendor::Session& session, const vendor::Api& control, const Settings& settings, Handle handle)
      : session_(session), control_(control), settings_(settings), handle_(std::move(handle)) {}

  /// POST below the session's path: "/cmd". Repeated only when nothing was sent.
  [[nodiscard]] vendor::Request post(std::string_view path, const vendor::JsonValue& body) const;
  /// The same without a body's type and content.
  [[nodiscard]] vendor::Request request(std::string_view path) const;
  /// A whole answer, if it is a success; throws for everything else.
  vendor::Answer send(const vendor::Request& request);

  /// What an answer that is no success means. It may be that the sandbox is gone, which Vercel is asked then.
  vendor::Failure failure(const vendor::Answer& answer, bool changes);
  /// What an error inside a stream means.
  vendor::Failure failure(std::string_view code, std::string_view message);
  /// What a connection that broke in the middle means: the sandbox may be gone.
  vendor::Failure broken(vendor::Failure failure);

  [[nodiscard]] vendor::Session& session() const noexcept { return session_; }
  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }
  /// A path as the caller means it: what is relative begins at the sandbox's working directory.
  [[nodiscard]] std::string absolute(std::string_view path) const;

 private:
  /// Nothing when it runs in this session.
  std::optional<vendor::Failure> whyNotRunning();

  vendor::Session& session_;
  const vendor::Api& control_;
  const Settings& settings_;
  Handle handle_;
};

/// GET of a sandbox, which neither wakes nor extends it unless `wake`. Throws (GONE) when there is none.
vendor::JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                              std::string_view name, bool wake = false);

}  // namespace computesdk::vercel

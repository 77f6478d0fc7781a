#pragma once

#include "blaxel/settings.hpp"

#include <computesdk/provider/call.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::blaxel {

/// Where a sandbox's API is and where its commands start: what the token of a sandbox holds.
struct Place {
  std::string url;
  std::string directory;  ///< that was asked for at create; empty: the image's

  static std::optional<Place> of(const csdk_target& target);
  /// From the vendor's object; `directory` is not in there.
  static Place of(const Settings& settings, vendor::Json sandbox, std::string directory = {});
  [[nodiscard]] std::string token() const;
};

/// The API of one sandbox, for one call.
class Box {
 public:
  /// Takes the address from the target's token, or asks for it (without waking the sandbox) and hands the new token to
  /// the host.
  Box(vendor::Session& session, Access& access, const Settings& settings, const csdk_target& target);
  /// For a sandbox that was made in this call.
  Box(vendor::Session& session, Access& access, const Settings& settings, std::string id, Place place);

  [[nodiscard]] vendor::Session& session() const noexcept { return session_; }
  [[nodiscard]] const vendor::Api& api() const noexcept { return *api_; }
  [[nodiscard]] const std::string& directory() const noexcept { return place_.directory; }

  /// The answer if it is a success; throws what any other means.
  vendor::Answer send(const vendor::Request& request) { return send(request, {}); }
  vendor::Answer send(const vendor::Request& request, std::initializer_list<int> alsoGood);
  /// What an answer means that is no success. Where it may be that the sandbox does not run, Blaxel is asked.
  vendor::Failure failure(const vendor::Answer& answer);
  /// What a connection that broke in the middle means: the sandbox may be gone.
  vendor::Failure broken(vendor::Failure failure);

  /// Runs a POSIX script with arguments to its end and returns its stdout, without line breaks at its end. `code`: its
  /// exit code. Throws plugin::Error when it could not be run.
  std::string script(std::string_view text, const std::vector<std::string>& args, int* code = nullptr);

 private:
  void makeApi();
  /// Nothing when it runs.
  std::optional<vendor::Failure> whyNotRunning();

  vendor::Session& session_;
  Access& access_;
  const Settings& settings_;
  std::string id_;
  Place place_;
  std::optional<vendor::Api> api_;
};

/// GET /sandboxes/{name}: neither wakes nor extends. Throws (GONE) when there is none.
vendor::JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id);

/// A name that nobody else has: PREFIX and 16 hexadecimal digits.
std::string newName(std::string_view prefix);

/// Names of processes that this provider starts for itself; they are not listed.
inline constexpr std::string_view kOwnPrefix = "computesdk-own-";

/// Sends a signal to a process and, `tree`, to every descendant. False: there is no such process.
bool signalProcess(Box& box, std::int64_t pid, int signal, bool tree);

}  // namespace computesdk::blaxel

#pragma once

#include "common/api.hpp"

#include <computesdk/provider/views.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace computesdk::blaxel {

inline constexpr std::string_view kTitle = "Blaxel";

/// The provider's configuration, checked.
struct Settings {
  std::string workspace;
  std::string apiUrl;  ///< of the control plane, without a slash at its end
  std::string runUrl;  ///< of sandboxes without an address of their own
  std::string apiVersion;
  std::string region;  ///< empty: Blaxel's choice
  std::string userAgent;
  bool hasKey = false;  ///< else there are client credentials

  /// Throws plugin::Error (CSDK_INVALID_ARGUMENT, CSDK_UNAUTHENTICATED), naming the setting.
  static Settings of(const plugin::Options& config);
};

/// How requests are signed: by the key, which the host puts in, or by a token that client credentials are exchanged
/// for. Thread-safe.
class Access {
 public:
  explicit Access(const Settings& settings) : settings_(settings) {}

  /// The control plane, for one call. Fetches a token when there is none or it is past half of its life.
  vendor::Api control(vendor::Session& session);
  /// A sandbox's own API.
  vendor::Api sandbox(vendor::Session& session, std::string_view url);

 private:
  vendor::Api::Settings common(vendor::Session& session, std::string_view url);
  std::string token(vendor::Session& session);

  const Settings& settings_;
  std::mutex mutex_;
  std::string token_;
  std::int64_t renewNs_ = 0;
};

}  // namespace computesdk::blaxel

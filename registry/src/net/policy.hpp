#pragma once

#include "host/secrets.hpp"
#include "net/egress.hpp"
#include "net/proxy.hpp"

#include <computesdk/plugin.h>
#include <computesdk/registry/loader.hpp>
#include <computesdk/registry/manifest.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::registry::net {

/// A request of a plug-in that may go out: checked, with its secrets in. Wiped when it ends.
struct Approved {
  Approved() = default;
  Approved(Approved&&) = default;
  Approved& operator=(Approved&&) = default;
  Approved(const Approved&) = delete;
  Approved& operator=(const Approved&) = delete;
  ~Approved();

  Url url;
  Egress::Verdict verdict;
  std::optional<Proxy> proxy;
  std::string method;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> subprotocols;
};

struct Refusal {
  csdk_status status = CSDK_OK;  ///< CSDK_OK: none
  std::string why;               ///< for the log; no secret
};

/// What one provider may do on the network, and what belongs to it. Thread-safe.
class HttpPolicy {
 public:
  HttpPolicy(const Manifest& manifest, const ResolvedConfig& config, NetworkSettings settings);

  /// `request` is as long as ours.
  Refusal approve(const csdk_http_request& request, Approved& out) const;

  [[nodiscard]] const NetworkSettings& settings() const noexcept { return settings_; }
  Egress& egress() noexcept { return egress_; }

 private:
  Refusal addHeader(std::string_view name, std::string value, Approved& out) const;
  /// `${key}` replaced by the secret.
  Refusal putSecrets(std::string_view text, std::string& out) const;

  Egress egress_;
  host::SecretStore store_;
  std::map<std::string, std::string_view, std::less<>> secrets_;  ///< config key -> value in store_
  const NetworkSettings settings_;
};

}  // namespace computesdk::registry::net

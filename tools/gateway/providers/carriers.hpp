#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// How a request says which provider it wants and with which credentials. The clients know a fixed set of names and send
// one of them even when another provider serves: such a name carries the request, no more.
namespace computesdk::gateway {

/// Names that the unmodified clients may send.
std::span<const std::string_view> carrierNames() noexcept;
bool isCarrier(std::string_view name) noexcept;

/// A header that may hold a credential.
struct CredentialHeader {
  std::string_view header;    ///< lower case
  std::string_view provider;  ///< whose
  std::string_view key;       ///< of the provider's configuration
  bool address = false;       ///< a URL that the gateway would be made to call
};
std::span<const CredentialHeader> credentialHeaders() noexcept;
/// Whether a header, in lower case, is one of ours that nobody behind the gateway may see.
bool isPrivateHeader(std::string_view lowerName) noexcept;

/// The value of a header by its lower-case name; empty when it is not there.
using HeaderLookup = std::function<std::string_view(std::string_view lowerName)>;

/// Credentials of one provider out of a request. `secretKeys`: keys that the provider's manifest marks secret; for each
/// of them `X-<Provider>-<Key>` counts too, so that providers the clients do not know can be given theirs.
/// `takeAddresses`: whether URLs of clients are obeyed. Errors: E_POLICY for a URL that is not.
Result<OptionMap> credentialsFrom(const HeaderLookup& headers, std::string_view provider,
                                  std::span<const std::string> secretKeys, bool takeAddresses);

/// What decides which provider makes a sandbox.
struct ProviderChoice {
  std::string body;       ///< the field `provider` of the request; empty: not given
  std::string header;     ///< X-Provider; empty: not given
  bool standIns = false;  ///< the credentials that came for `header` are none of that provider's
  std::string fallback = "local";
  std::map<std::string, std::string> aliases;
  std::function<bool(std::string_view name)> loaded;
  std::vector<std::string> loadedNames;  ///< for the message
};
/// The provider that serves. A name with stand-ins for credentials carries the request, whatever is loaded. Errors:
/// E_UNKNOWN_PROVIDER, naming the one asked for and the loaded ones.
Result<std::string> resolveProvider(const ProviderChoice& choice);

}  // namespace computesdk::gateway

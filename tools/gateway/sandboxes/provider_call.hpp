#pragma once

#include <computesdk/registry/provider.hpp>

#include "core/crypto.hpp"
#include "core/sandbox_state.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

// What every call to a provider, and every id that clients see, is made of.
namespace computesdk::gateway {

/// Metadata by which a sandbox is found at its provider when the gateway that was making it died.
inline constexpr std::string_view kGatewayLabel = "computesdk_gateway_id";
/// For calls that clients wait for; they give a request up after 30 s.
inline constexpr auto kShortTime = std::chrono::seconds(20);
inline constexpr std::size_t kMaxId = 64;

/// A number of a call, for the provider's log.
struct CallNumber {
  CallNumber() { detail::nextRequestId(text); }
  detail::RequestId text;
};

/// `number` outlives the call.
inline registry::CallContext contextFor(const CallNumber& number, std::chrono::milliseconds time) {
  registry::CallContext context;
  context.deadline = detail::deadlineIn(time);
  context.requestId = number.text;
  return context;
}

inline std::int64_t millisOf(SystemTime time) { return time.time_since_epoch().count(); }

inline bool isGone(const ErrorInfo& error) {
  return error.code == ErrorCode::notFound || error.code == ErrorCode::sandboxGone;
}

/// An id that is one segment of a path and one label of a host, and has no dash: what follows a dash is a port.
inline std::string newId(std::string_view prefix) { return std::string(prefix) + randomHex(12); }

}  // namespace computesdk::gateway

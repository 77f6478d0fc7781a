#pragma once

#include "engine.hpp"

#include <computesdk/registry/provider.hpp>

#include <string_view>

namespace computesdk::registry::host {

/// The code that stands for a status and an error class of the ABI.
ErrorCode codeFor(csdk_status status, std::uint32_t errorClass, std::int32_t httpStatus, Op op) noexcept;

/// What an operation was about, for its error.
struct CallSubject {
  Op op;
  std::string_view provider;
  std::string_view sandboxId;
  std::string_view token;  ///< masked wherever it shows up
  std::string_view label;  ///< a path or name to show behind the phrase; may be empty
  bool present = true;     ///< the plug-in has the operation
};

/// The error of a call that did not end with CSDK_OK, in five parts and without secrets.
ErrorInfo errorOf(const CallEnd& end, const CallSubject& subject, const CallContext& context, HostContext& host);

/// "Provider 'x' does not support getUrl."
ErrorInfo unsupported(const CallSubject& subject);

/// The plug-in said that all went well and did not give what the operation is for.
ErrorInfo missingResult(const CallSubject& subject, std::string_view what, HostContext& host);

}  // namespace computesdk::registry::host

#pragma once

#include <computesdk/export.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

/// Stable failure codes. Names, HTTP statuses and exit codes are in error_codes.inc.
enum class ErrorCode : int {
#define CSDK_ERROR_CODE(name, text, wire, http, exit, abi) name,
#include <computesdk/error_codes.inc>
#undef CSDK_ERROR_CODE
};

/// "E_AUTH_REJECTED". Never fails; thread-safe.
COMPUTESDK_API std::string_view codeName(ErrorCode code) noexcept;
/// "auth_rejected", as on the wire. Never fails; thread-safe.
COMPUTESDK_API std::string_view wireName(ErrorCode code) noexcept;
/// HTTP status that the gateway answers for this failure.
COMPUTESDK_API int httpStatus(ErrorCode code) noexcept;
/// Exit code of the CLI's verbs other than run, exec and shell (those exit with 125).
COMPUTESDK_API int exitCode(ErrorCode code) noexcept;
/// The code named "E_…" or "e_…", or nothing.
COMPUTESDK_API std::optional<ErrorCode> codeFromName(std::string_view name) noexcept;
/// All codes, in the table's order.
COMPUTESDK_API const std::vector<ErrorCode>& allErrorCodes();

/// A failure in five parts: what failed, why, how to fix it, a stable code, and context. Holds no secret. A plain
/// value.
struct COMPUTESDK_API ErrorInfo {
  ErrorCode code = ErrorCode::internal;
  std::string what;      ///< verb and object: "cannot create a sandbox on e2b"
  std::string why;       ///< root cause, one sentence or several lines
  std::string fix;       ///< a command or a line to paste; may be empty
  std::string provider;  ///< may be empty, like all below
  std::string sandboxId;
  std::string requestId;
  std::string vendorCode;
  std::string vendorText;  ///< the vendor's own words
  int vendorHttpStatus = 0;
  std::chrono::milliseconds retryAfter{0};  ///< 0: not said
  bool retryable = false;                   ///< repeating the same call is safe and may succeed
  bool maybeApplied = false;                ///< the request may have taken effect
  bool orphanGone = false;                  ///< with maybeApplied: nothing was left behind

  /// "what: why", the line that stands alone in a log.
  [[nodiscard]] std::string firstLine() const;
};

/// The terminal form: "error: …", "  fix:  …", "  code: …  provider …". `info` is not changed; ends without a newline.
COMPUTESDK_API std::string formatError(const ErrorInfo& info);

/// Root of everything that the library throws. Copyable; reading it is thread-safe.
class COMPUTESDK_API Error : public std::runtime_error {
 public:
  explicit Error(ErrorInfo info) : std::runtime_error(info.firstLine()), info_(std::move(info)) {}

  [[nodiscard]] const ErrorInfo& info() const noexcept { return info_; }
  [[nodiscard]] ErrorCode code() const noexcept { return info_.code; }
  [[nodiscard]] std::string_view codeName() const noexcept { return computesdk::codeName(info_.code); }
  [[nodiscard]] const std::string& provider() const noexcept { return info_.provider; }
  [[nodiscard]] const std::string& hint() const noexcept { return info_.fix; }
  [[nodiscard]] const std::string& requestId() const noexcept { return info_.requestId; }
  [[nodiscard]] bool retryable() const noexcept { return info_.retryable; }
  [[nodiscard]] std::chrono::milliseconds retryAfter() const noexcept { return info_.retryAfter; }

 private:
  ErrorInfo info_;
};

// Leaf types, only where callers branch. throwError chooses among them by code.
class COMPUTESDK_API AuthError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API NotFoundError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API UnsupportedError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API TimeoutError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API RateLimitError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API ProviderError : public Error {
 public:
  using Error::Error;
};
class COMPUTESDK_API PluginError : public Error {
 public:
  using Error::Error;
};

/// Throws the leaf type that belongs to info.code.
[[noreturn]] COMPUTESDK_API void throwError(ErrorInfo info);

}  // namespace computesdk

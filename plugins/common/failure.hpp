#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::vendor {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A whole answer.
struct Answer {
  int status = 0;
  Headers headers;  ///< names in lower case
  std::string body;

  /// The first of that (lower-case) name; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view lowerName) const noexcept;
  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
};

/// A failure in the making: like plugin::Error, but its parts can be read and changed.
struct Failure {
  csdk_status status = CSDK_UNKNOWN;
  std::uint32_t errorClass = CSDK_ERROR_PLAIN;
  std::string message;     ///< one sentence
  std::string fix;         ///< empty: the host says what fits the code
  std::string vendorText;  ///< the vendor's own words, for `refine` to look at; in `message` already
  std::string vendorCode;
  std::string raw;
  std::string requestId;
  int httpStatus = 0;  ///< 0: no answer came
  std::int64_t retryAfterMs = 0;
  bool retryable = false;
  bool maybeApplied = false;

  Failure& is(csdk_status newStatus, std::uint32_t newClass = CSDK_ERROR_PLAIN) {
    status = newStatus;
    errorClass = newClass;
    return *this;
  }
  /// Whether the vendor's own words hold these, which are in lower case.
  [[nodiscard]] bool says(std::string_view lowerWords) const;
  [[nodiscard]] plugin::Error error() const;
};

/// What an answer that is no success means, by its status and by the forms of body that vendors have:
/// {"message"}, {"error": "text"}, {"error": {"code", "message"}}, {"code" or "error_code": text or number}.
/// `nowMs` is the wall clock, for a Retry-After that is a date.
Failure failureOf(std::string_view vendorTitle, const Answer& answer, std::int64_t nowMs);

/// Milliseconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask for; 0: not said.
std::int64_t retryAfterOf(const Answer& answer, std::int64_t nowMs);

/// Takes secrets (at least 4 bytes each) out of every text of the failure.
void hide(Failure& failure, const std::vector<std::string>& secrets);

/// Whether a failure leaves open if the request took effect.
bool mayHaveApplied(const plugin::Error& error) noexcept;

/// The sandbox is no more.
plugin::Error goneError(std::string_view vendorTitle, std::string_view id);

}  // namespace computesdk::vendor

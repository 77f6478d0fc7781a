#pragma once

#include <computesdk/plugin.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace computesdk::plugin {

/// A failure of an operation, thrown by a provider and turned into csdk_host.fail and a status at the edge.
///
///   throw Error(CSDK_RESOURCE_EXHAUSTED, "too many requests").errorClass(CSDK_ERROR_RATE_LIMIT).retryAfter(2s);
class Error : public std::exception {
 public:
  /// `status` is negative; `message` is one sentence that says why, without secrets.
  Error(csdk_status status, std::string message) : status_(status), message_(std::move(message)) {}

  Error& errorClass(std::uint32_t value) { return errorClass_ = value, *this; }  ///< CSDK_ERROR_RATE_LIMIT …
  Error& fix(std::string value) { return fix_ = std::move(value), *this; }       ///< what to do about it
  Error& vendorCode(std::string value) { return vendorCode_ = std::move(value), *this; }
  Error& raw(std::string value) { return raw_ = std::move(value), *this; }  ///< the vendor's text as it came
  Error& requestId(std::string value) { return requestId_ = std::move(value), *this; }
  Error& httpStatus(std::int32_t value) { return httpStatus_ = value, *this; }
  Error& retryAfter(std::chrono::milliseconds value) { return retryAfter_ = value, *this; }
  Error& retryable() { return flags_ |= CSDK_ERROR_RETRYABLE, *this; }         ///< repeating the call is safe
  Error& maybeApplied() { return flags_ |= CSDK_ERROR_MAYBE_APPLIED, *this; }  ///< it may have taken effect
  Error& orphanGone() { return flags_ |= CSDK_ERROR_ORPHAN_GONE, *this; }      ///< and nothing is left behind

  csdk_status status() const noexcept { return status_ < 0 ? status_ : CSDK_INTERNAL; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// The same as the ABI has it; views into this object.
  csdk_error abi() const noexcept {
    const auto lend = [](const std::string& text) { return csdk_str{text.data(), text.size()}; };
    csdk_error error{};
    error.struct_size = sizeof error;
    error.flags = flags_;
    error.error_class = errorClass_;
    error.http_status = httpStatus_;
    error.retry_after_ms = retryAfter_.count();
    error.message = lend(message_);
    error.fix = lend(fix_);
    error.vendor_code = lend(vendorCode_);
    error.raw = lend(raw_);
    error.request_id = lend(requestId_);
    return error;
  }

 private:
  csdk_status status_;
  std::uint32_t errorClass_ = CSDK_ERROR_PLAIN;
  std::uint32_t flags_ = 0;
  std::int32_t httpStatus_ = 0;
  std::chrono::milliseconds retryAfter_{0};
  std::string message_, fix_, vendorCode_, raw_, requestId_;
};

}  // namespace computesdk::plugin

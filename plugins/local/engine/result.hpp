// How the engine of the `local` provider reports failure: a value or an Error, never an exception.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace computesdk::local {

// Classes of failure. The plug-in maps each to one status of the plug-in ABI; the names are the same on purpose.
enum class ErrorClass : std::uint8_t {
  kCancelled,
  kInvalidArgument,
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,
  kFailedPrecondition,
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,
};

// One failure as a person reads it. Holds no secret: no environment value, no file content, no token.
struct Error {
  ErrorClass kind = ErrorClass::kInternal;
  std::string message{};  // what happened
  std::string why{};      // the cause, as far as it is known; may be empty
  std::string fix{};      // what the reader can do; may be empty
  int systemError = 0;    // errno of the system call behind it, 0 if there was none
};

// What was asked for, or given, cannot be used.
inline Error invalidArgument(std::string message, std::string fix = {}) {
  return Error{.kind = ErrorClass::kInvalidArgument, .message = std::move(message), .why = {}, .fix = std::move(fix)};
}

// A failed system call as an Error: "WHAT: <strerror>", classified by its errno.
Error systemError(int code, std::string what, std::string fix = {});

struct Unit {};

// Holds a T or an Error. Like std::expected: read value() only after checking ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() { return *std::get_if<1>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status okStatus() { return Unit{}; }

}  // namespace computesdk::local

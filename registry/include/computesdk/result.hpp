#pragma once

#include <computesdk/error.hpp>

#include <type_traits>
#include <utility>
#include <variant>

namespace computesdk {

/// Stands for "no value" in Result<void>.
struct Unit {};

/// Asks for the non-throwing form of an operation: `sandbox.runCommand(nothrow, "make")` returns Result<T>.
struct Nothrow {
  explicit Nothrow() = default;
};
inline constexpr Nothrow nothrow{};

/// A value or the reason why there is none. Its layout does not depend on the language level. A plain value: as
/// thread-safe as T.
template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, Unit, T>;

  Result() requires std::is_void_v<T> : state_(std::in_place_index<0>) {}
  Result(Value value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(ErrorInfo error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws the Error when there is none.
  Value& value() & {
    if (!has_value()) throwError(error());
    return std::get<0>(state_);
  }
  const Value& value() const& {
    if (!has_value()) throwError(error());
    return std::get<0>(state_);
  }
  Value&& value() && {
    if (!has_value()) throwError(std::move(std::get<1>(state_)));
    return std::move(std::get<0>(state_));
  }
  Value& operator*() & { return std::get<0>(state_); }
  const Value& operator*() const& { return std::get<0>(state_); }
  Value&& operator*() && { return std::move(std::get<0>(state_)); }
  Value* operator->() { return &std::get<0>(state_); }
  const Value* operator->() const { return &std::get<0>(state_); }

  /// The failure. Only when !has_value().
  [[nodiscard]] ErrorInfo& error() & { return std::get<1>(state_); }
  [[nodiscard]] const ErrorInfo& error() const& { return std::get<1>(state_); }
  [[nodiscard]] ErrorInfo&& error() && { return std::move(std::get<1>(state_)); }

  template <typename U>
  [[nodiscard]] Value value_or(U&& other) const& {
    return has_value() ? std::get<0>(state_) : static_cast<Value>(std::forward<U>(other));
  }
  /// f(value) -> Result<U>.
  template <typename F>
  auto and_then(F&& f) && {
    using Next = std::invoke_result_t<F, Value&&>;
    return has_value() ? std::forward<F>(f)(std::move(std::get<0>(state_))) : Next(std::move(std::get<1>(state_)));
  }
  /// f(error) -> Result<T>.
  template <typename F>
  Result or_else(F&& f) && {
    return has_value() ? std::move(*this) : std::forward<F>(f)(std::move(std::get<1>(state_)));
  }

 private:
  std::variant<Value, ErrorInfo> state_;
};

}  // namespace computesdk

#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

// How a struct of the other side is read: once, min(theirs, ours) bytes, into a zeroed local.
namespace computesdk::plugin {

/// A struct of the ABI with `struct_size` set and everything else zero.
template <class T>
T make() noexcept {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

/// Copies what both sides know; the rest stays zero. Throws CSDK_INVALID_ARGUMENT for NULL or an impossible size.
template <class T>
T readStruct(const T* theirs) {
  std::uint32_t size = 0;
  if (theirs) std::memcpy(&size, theirs, sizeof size);
  if (size < 2 * sizeof(std::uint32_t)) throw Error(CSDK_INVALID_ARGUMENT, "a struct without a valid struct_size");
  T ours{};
  std::memcpy(static_cast<void*>(&ours), theirs, std::min<std::size_t>(size, sizeof ours));
  ours.struct_size = sizeof ours;
  return ours;
}

/// The same for arguments: also refuses must-understand flag bits (16-31) outside `understood`.
template <class T>
T readArgs(const T* theirs, std::uint32_t understood) {
  T args = readStruct(theirs);
  const std::uint32_t unknown = args.flags & 0xffff0000u & ~understood;
  if (unknown) {
    throw Error(CSDK_UNIMPLEMENTED,
                "this provider does not understand what the call demands (flag bits " + std::to_string(unknown) + ")");
  }
  return args;
}

/// The host's functions as far as this header knows them, and the pointer that they take.
class Host {
 public:
  /// Throws CSDK_FAILED_PRECONDITION for a table that lacks functions every host of this major has.
  explicit Host(const csdk_host* host) : table_(readStruct(host)), self_(host) {
    if (!table_.extension) throw Error(CSDK_FAILED_PRECONDITION, "the host's table is too short");
  }

  /// Calls a function of the table; one that an older host does not have answers CSDK_UNIMPLEMENTED.
  template <class... Params, class... Args>
  csdk_status call(csdk_status (*csdk_host::*slot)(const csdk_host*, Params...), Args... args) const noexcept {
    return table_.*slot ? (table_.*slot)(self_, args...) : CSDK_UNIMPLEMENTED;
  }
  const csdk_host& table() const noexcept { return table_; }
  const csdk_host* self() const noexcept { return self_; }

  /// A table of the host by versioned id, copied like every struct; false when the host does not have it.
  template <class T>
  bool extension(std::string_view id, T& out) const {
    const void* theirs = table_.extension(self_, csdk_str{id.data(), id.size()});
    if (theirs) out = readStruct(static_cast<const T*>(theirs));
    return theirs != nullptr;
  }

 private:
  csdk_host table_;
  const csdk_host* self_;
};

/// A function lent to the host as (fn, ctx); it stays where it is. What it throws is dropped, for nobody could get it.
template <class F>
class Callback {
 public:
  explicit Callback(F fn) : fn_(std::move(fn)) {}
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

 protected:
  static void run(void* ctx) noexcept {
    try {
      static_cast<Callback*>(ctx)->fn_();
    } catch (...) {
    }
  }
  void* ctx() noexcept { return this; }

 private:
  F fn_;
};

}  // namespace computesdk::plugin

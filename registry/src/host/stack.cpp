#include "stack.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

namespace computesdk::registry::host {
namespace {

/// Below the frame that asks: its own locals, and what the system call's wrapper needs.
constexpr std::uintptr_t kMargin = 1024;

struct Stack {
  std::uintptr_t low = 0, high = 0;
};

Stack ownStack() noexcept {
  Stack stack;
  pthread_attr_t attributes;
  // The main thread's is looked up in a file, and grows.
  if (::gettid() == ::getpid() || ::pthread_getattr_np(::pthread_self(), &attributes) != 0) return stack;
  void* low = nullptr;
  std::size_t size = 0;
  if (::pthread_attr_getstack(&attributes, &low, &size) == 0) {
    stack.low = reinterpret_cast<std::uintptr_t>(low);
    stack.high = stack.low + size;
  }
  ::pthread_attr_destroy(&attributes);
  return stack;
}

}  // namespace

[[gnu::noinline]] void releaseUnusedStack() noexcept {
  static thread_local const Stack stack = ownStack();
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (here <= stack.low || here >= stack.high) return;
  const std::uintptr_t begin = (stack.low + page - 1) & ~(page - 1);
  const std::uintptr_t end = (here - kMargin) & ~(page - 1);
  if (end > begin && end < here) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace computesdk::registry::host

#include "secrets.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace computesdk::registry::host {
namespace {
constexpr std::size_t kShortest = 4;
}

SecretStore::SecretStore(std::size_t capacity) : capacity_(capacity) {
  if (capacity == 0) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  mapped_ = (capacity + page - 1) / page * page;
  void* memory = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  // Both are best effort: the kernel may lack room for locked pages, and an old one the advice.
  ::madvise(memory_, mapped_, MADV_DONTDUMP);
  ::mlock(memory_, mapped_);
}

SecretStore::~SecretStore() {
  if (memory_ == nullptr) return;
  ::explicit_bzero(memory_, mapped_);
  ::munmap(memory_, mapped_);
}

std::string_view SecretStore::add(std::string_view secret) {
  if (secret.empty()) return {};
  if (secret.size() > capacity_ - used_) throw std::bad_alloc();
  char* place = memory_ + used_;
  std::memcpy(place, secret.data(), secret.size());
  used_ += secret.size();
  const std::string_view kept(place, secret.size());
  if (kept.size() >= kShortest) {
    const auto longer = [](std::string_view a, std::string_view b) { return a.size() > b.size(); };
    values_.insert(std::upper_bound(values_.begin(), values_.end(), kept, longer), kept);
  }
  return kept;
}

void SecretStore::redact(std::string& text) const {
  for (std::string_view value : values_) redactOne(text, value);
}

void redactOne(std::string& text, std::string_view secret) {
  if (secret.size() < kShortest) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
    text.replace(at, secret.size(), "***");
  }
}

}  // namespace computesdk::registry::host

#pragma once

#include <computesdk/registry/loader.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace computesdk::registry {

/// The ways in which a provider can be run.
enum class Mode { inlined, pooled, async, isolated, isolatedAsync };

struct FakeOptions {
  Mode mode = Mode::pooled;
  std::string library = "good";
  std::string apiKey = "secret-key-0123";
  Serialize serialize = Serialize::none;
  Secrets secrets = Secrets::plugin;
  std::chrono::milliseconds grace{5000};
};

/// Log lines of a provider. Thread-safe.
class Lines {
 public:
  void add(const LogRecord& record) {
    std::lock_guard lock(mutex_);
    lines_.push_back(record.message);
  }
  [[nodiscard]] std::string all() const {
    std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& line : lines_) text += line + "\n";
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

std::shared_ptr<Manifest> fakeManifest(const FakeOptions& options);
Result<std::shared_ptr<Provider>> openFake(const FakeOptions& options, Lines* lines = nullptr);
/// The provider, or a test failure.
std::shared_ptr<Provider> mustOpen(const FakeOptions& options, Lines* lines = nullptr);

/// A finished command.
struct Ran {
  Result<ExitStatus> exit = ErrorInfo{};
  std::string out, err;
};
/// Runs exec with these words and collects what it wrote.
Ran runFake(Provider& provider, std::vector<std::string> words, const CallContext& context = {},
            const ExecRequest& base = {});

inline const Target kTarget{"sb-1", "token-of-the-sandbox"};

std::string modeName(const ::testing::TestParamInfo<Mode>& info);

/// Waits, at most 20 s, for something that another thread brings about.
template <typename Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace computesdk::registry

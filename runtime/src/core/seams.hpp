#pragma once

#include <computesdk/registry/registry.hpp>
#include <computesdk/result.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

namespace computesdk::detail {

class NamedStore;

/// How long a claim on a name holds without a sign of life of its holder, and how often others look.
struct ClaimTimes {
  std::chrono::milliseconds lease{10'000};
  std::chrono::milliseconds pollMin{5};
  std::chrono::milliseconds pollMax{200};
};

/// Where tests stand in for the world. What is empty means the real thing.
struct Seams {
  std::shared_ptr<registry::Registry> registry;
  std::function<Result<std::shared_ptr<NamedStore>>(const std::filesystem::path& file)> openStore;
  ClaimTimes claims;
  /// The program of the daemon; empty: found beside the product.
  std::filesystem::path daemonProgram;
  /// How long a destructor waits.
  std::chrono::milliseconds destructorPatience{5'000};
};

}  // namespace computesdk::detail

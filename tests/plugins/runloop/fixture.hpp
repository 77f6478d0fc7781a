#pragma once

#include "harness/program.hpp"
#include "runloop/runloop.hpp"

#include <computesdk/computesdk.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

// The provider as a program sees it, against a simulator in the same process that can be told to fail.
namespace computesdk::runloop::test {

inline constexpr std::string_view kKey = simulators::kRunloopDefaultKey;

class RunloopTest : public testing::Test {
 protected:
  RunloopTest();
  ~RunloopTest() override;

  [[nodiscard]] ComputeConfig config(std::string_view key = kKey) const;
  simulators::Server& server() { return running_.server(); }
  /// A fault for the next requests of a path.
  void fail(simulators::Fault fault) { server().fault(std::move(fault)); }
  /// Requests whose method and path begin so, in order.
  std::vector<simulators::RequestRecord> requests(std::string_view method, std::string_view path);
  /// Of that header; empty when it was not sent.
  static std::string header(const simulators::RequestRecord& request, std::string_view lowerName);
  /// Forgets what was asked so far.
  void forgetRequests();
  /// Requests since the start or the last forgetting.
  std::uint64_t requestCount();
  /// Ids of sandboxes that are alive at the vendor.
  std::vector<std::string> alive() { return simulator_->sandboxes(); }
  /// Fails the test when any part of the error holds the key or a sandbox's token.
  static void expectNoSecret(const ErrorInfo& error);

  Sandbox create(const CreateOptions& options = {}) { return compute_.sandbox().create(options); }
  ErrorInfo createError(const CreateOptions& options = {});

 private:
  /// A request is noted after its answer was sent: waits until all are.
  void settle();

  simulators::RunloopSimulator* simulator_;
  simulators::RunningSimulator running_;
  std::filesystem::path state_;
  std::uint64_t forgotten_ = 0;

 protected:
  Compute compute_;
};

}  // namespace computesdk::runloop::test

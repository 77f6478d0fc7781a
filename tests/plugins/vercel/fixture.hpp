#pragma once

#include "harness/program.hpp"
#include "vercel/vercel.hpp"

#include <computesdk/computesdk.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

// The provider as a program sees it, against a simulator in the same process that can be told to fail.
namespace computesdk::vercel::test {

inline constexpr std::string_view kToken = simulators::kVercelDefaultToken;
inline constexpr const char* kSessions = "/api/v2/sandboxes/sessions/";

class VercelTest : public testing::Test {
 protected:
  VercelTest();
  ~VercelTest() override;

  [[nodiscard]] ComputeConfig config(std::string_view token = kToken) const;
  /// Nothing but the service's URL is given; the rest is in these variables.
  [[nodiscard]] ComputeConfig configOf(StringMap variables) const;
  simulators::Server& server() { return running_.server(); }
  /// A fault for the next requests of a path.
  void fail(simulators::Fault fault) { server().fault(std::move(fault)); }
  /// Requests whose method and path begin so and whose path ends so, in order.
  std::vector<simulators::RequestRecord> requests(std::string_view method, std::string_view path,
                                                  std::string_view end = {});
  /// Of that header; empty when it was not sent.
  static std::string header(const simulators::RequestRecord& request, std::string_view lowerName);
  /// Forgets what was asked so far.
  void forgetRequests();
  /// Requests since the start or the last forgetting.
  std::uint64_t requestCount();
  /// Names of sandboxes that are there at the vendor.
  std::vector<std::string> alive() { return simulator_->sandboxes(); }
  /// Fails the test when any part of the error holds the token.
  static void expectNoSecret(const ErrorInfo& error);

  Sandbox create(const CreateOptions& options = {}) { return compute_.sandbox().create(options); }
  ErrorInfo createError(const CreateOptions& options = {});

 private:
  /// A request is noted after its answer was sent: waits until all are.
  void settle();

  simulators::VercelSimulator* simulator_;
  simulators::RunningSimulator running_;
  std::filesystem::path state_;
  std::uint64_t forgotten_ = 0;

 protected:
  Compute compute_;
};

}  // namespace computesdk::vercel::test

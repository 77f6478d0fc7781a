#pragma once

#include <computesdk/computesdk.hpp>
#include <harness/program.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

// A provider as a program sees it, against a simulator in the same process that can be told to fail: what the tests of
// all vendors share. A vendor's own fixture derives from it and configures `compute_`.
namespace computesdk::vendor::test {

class VendorTest : public testing::Test {
 protected:
  /// No part of an error may hold one of the secrets.
  VendorTest(std::unique_ptr<simulators::Simulator> simulator, std::vector<std::string> secrets,
             simulators::ServerOptions options = {});
  ~VendorTest() override;

  /// For that provider, with these options, an environment of its own and a state folder that ends with the test.
  [[nodiscard]] ComputeConfig configOf(std::string provider, const StringMap& options, StringMap variables = {}) const;
  simulators::Server& server() { return running_.server(); }
  [[nodiscard]] std::string url() const { return running_.url(); }
  /// A fault for the next requests of a path.
  void fail(simulators::Fault fault) { server().fault(std::move(fault)); }
  /// Requests whose method and path begin so and whose path ends so, in order.
  std::vector<simulators::RequestRecord> requests(std::string_view method, std::string_view path,
                                                  std::string_view end = {});
  /// Of that header; empty when it was not sent.
  static std::string header(const simulators::RequestRecord& request, std::string_view lowerName);
  /// Forgets what was asked so far.
  void forgetRequests() { server().forgetRequests(); }
  /// Requests since the start or the last forgetting.
  std::uint64_t requestCount() { return server().stats().requests; }
  /// Ids of the sandboxes that are there at the vendor.
  std::vector<std::string> alive() { return simulator_->sandboxes(); }
  /// Fails the test when any part of the error holds a secret.
  void expectNoSecret(const ErrorInfo& error) const;

  Sandbox create(const CreateOptions& options = {}) { return compute_.sandbox().create(options); }
  /// Fails the test when it succeeds, or when the error holds a secret.
  ErrorInfo createError(const CreateOptions& options = {});
  /// HOST:PORTs that a create asks for with these variables and nothing else. It goes to a proxy that lets nothing
  /// through.
  std::vector<std::string> hostsAsked(const std::string& provider, StringMap variables);

 private:
  simulators::Simulator* simulator_;
  std::vector<std::string> secrets_;
  simulators::RunningSimulator running_;
  std::filesystem::path state_;

 protected:
  Compute compute_;
};

}  // namespace computesdk::vendor::test

#include "fixture.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace computesdk::runloop::test {
namespace {

std::filesystem::path newFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "csdk-runloop-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

}  // namespace

RunloopTest::RunloopTest()
    : running_([this] {
        auto made = std::make_unique<simulators::RunloopSimulator>();
        simulator_ = made.get();
        return made;
      }()),
      state_(newFolder()),
      compute_(config()) {}

RunloopTest::~RunloopTest() {
  compute_.clearConfig();
  std::error_code ignored;
  std::filesystem::remove_all(state_, ignored);
}

ComputeConfig RunloopTest::config(std::string_view key) const {
  ComputeConfig config;
  config.provider = "runloop";
  config.options = {{"apiKey", std::string(key)}, {"baseUrl", running_.url()}};
  config.stateDirectory = state_;
  config.environment = [](std::string_view) { return std::nullopt; };
  return config;
}

void RunloopTest::settle() {
  const auto giveUp = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server().stats().requests + forgotten_ < server().requests() && std::chrono::steady_clock::now() < giveUp) {
    std::this_thread::yield();
  }
}

void RunloopTest::forgetRequests() {
  settle();
  forgotten_ = server().requests();
  server().forgetRequests();
}

std::uint64_t RunloopTest::requestCount() {
  settle();
  return server().stats().requests;
}

std::vector<simulators::RequestRecord> RunloopTest::requests(std::string_view method, std::string_view path) {
  settle();
  std::vector<simulators::RequestRecord> out;
  for (auto& request : server().recentRequests()) {
    if (request.method == method && request.target.starts_with(path)) out.push_back(std::move(request));
  }
  return out;
}

std::string RunloopTest::header(const simulators::RequestRecord& request, std::string_view lowerName) {
  for (const auto& [name, value] : request.headers) {
    if (name == lowerName) return value;
  }
  return {};
}

void RunloopTest::expectNoSecret(const ErrorInfo& error) {
  for (const std::string& text :
       {error.what, error.why, error.fix, error.vendorText, error.vendorCode, error.requestId}) {
    EXPECT_EQ(text.find(kKey), std::string::npos) << text;
    EXPECT_EQ(text.find("tt_"), std::string::npos) << text;
  }
}

ErrorInfo RunloopTest::createError(const CreateOptions& options) {
  auto made = compute_.sandbox().create(nothrow, options);
  EXPECT_FALSE(made) << "it was created";
  if (made) return {};
  expectNoSecret(made.error());
  return made.error();
}

}  // namespace computesdk::runloop::test

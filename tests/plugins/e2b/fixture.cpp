#include "fixture.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace computesdk::e2b::test {
namespace {

std::filesystem::path newFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "csdk-e2b-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

}  // namespace

E2bTest::E2bTest()
    : running_([this] {
        auto made = std::make_unique<simulators::E2bSimulator>();
        simulator_ = made.get();
        return made;
      }()),
      state_(newFolder()),
      compute_(config()) {}

E2bTest::~E2bTest() {
  compute_.clearConfig();
  std::error_code ignored;
  std::filesystem::remove_all(state_, ignored);
}

ComputeConfig E2bTest::config(std::string_view key) const {
  ComputeConfig config;
  config.provider = "e2b";
  config.options = {{"apiKey", std::string(key)}, {"apiUrl", running_.url()}, {"sandboxUrl", running_.url()}};
  config.stateDirectory = state_;
  config.environment = [](std::string_view) { return std::nullopt; };
  return config;
}

void E2bTest::settle() {
  const auto giveUp = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server().stats().requests + forgotten_ < server().requests() && std::chrono::steady_clock::now() < giveUp) {
    std::this_thread::yield();
  }
}

void E2bTest::forgetRequests() {
  settle();
  forgotten_ = server().requests();
  server().forgetRequests();
}

std::uint64_t E2bTest::requestCount() {
  settle();
  return server().stats().requests;
}

std::vector<simulators::RequestRecord> E2bTest::requests(std::string_view method, std::string_view path) {
  settle();
  std::vector<simulators::RequestRecord> out;
  for (auto& request : server().recentRequests()) {
    if (request.method == method && request.target.starts_with(path)) out.push_back(std::move(request));
  }
  return out;
}

std::string E2bTest::header(const simulators::RequestRecord& request, std::string_view lowerName) {
  for (const auto& [name, value] : request.headers) {
    if (name == lowerName) return value;
  }
  return {};
}

void E2bTest::expectNoSecret(const ErrorInfo& error) {
  for (const std::string& text :
       {error.what, error.why, error.fix, error.vendorText, error.vendorCode, error.requestId}) {
    EXPECT_EQ(text.find(kKey), std::string::npos) << text;
    EXPECT_EQ(text.find("ea_"), std::string::npos) << text;
  }
}

ErrorInfo E2bTest::createError(const CreateOptions& options) {
  auto made = compute_.sandbox().create(nothrow, options);
  EXPECT_FALSE(made) << "it was created";
  if (made) return {};
  expectNoSecret(made.error());
  return made.error();
}

}  // namespace computesdk::e2b::test

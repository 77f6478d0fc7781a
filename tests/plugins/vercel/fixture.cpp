#include "fixture.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace computesdk::vercel::test {
namespace {

std::filesystem::path newFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "csdk-vercel-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

}  // namespace

VercelTest::VercelTest()
    : running_([this] {
        auto made = std::make_unique<simulators::VercelSimulator>();
        simulator_ = made.get();
        return made;
      }()),
      state_(newFolder()),
      compute_(config()) {}

VercelTest::~VercelTest() {
  compute_.clearConfig();
  std::error_code ignored;
  std::filesystem::remove_all(state_, ignored);
}

ComputeConfig VercelTest::config(std::string_view token) const {
  ComputeConfig config = configOf({});
  config.options.insert({{"token", std::string(token)},
                         {"teamId", std::string(simulators::kVercelDefaultTeam)},
                         {"projectId", std::string(simulators::kVercelDefaultProject)}});
  return config;
}

ComputeConfig VercelTest::configOf(StringMap variables) const {
  ComputeConfig config;
  config.provider = "vercel";
  config.options = {{"baseUrl", running_.url() + "/api"}};
  config.stateDirectory = state_;
  config.environment = [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    if (found == variables.end()) return {};
    return found->second;
  };
  return config;
}

void VercelTest::settle() {
  const auto giveUp = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server().stats().requests + forgotten_ < server().requests() && std::chrono::steady_clock::now() < giveUp) {
    std::this_thread::yield();
  }
}

void VercelTest::forgetRequests() {
  settle();
  forgotten_ = server().requests();
  server().forgetRequests();
}

std::uint64_t VercelTest::requestCount() {
  settle();
  return server().stats().requests;
}

std::vector<simulators::RequestRecord> VercelTest::requests(std::string_view method, std::string_view path,
                                                            std::string_view end) {
  settle();
  std::vector<simulators::RequestRecord> out;
  for (auto& request : server().recentRequests()) {
    const std::string asked = request.target.substr(0, request.target.find('?'));
    if (request.method == method && request.target.starts_with(path) && asked.ends_with(end)) {
      out.push_back(std::move(request));
    }
  }
  return out;
}

std::string VercelTest::header(const simulators::RequestRecord& request, std::string_view lowerName) {
  for (const auto& [name, value] : request.headers) {
    if (name == lowerName) return value;
  }
  return {};
}

void VercelTest::expectNoSecret(const ErrorInfo& error) {
  for (const std::string& text :
       {error.what, error.why, error.fix, error.vendorText, error.vendorCode, error.requestId}) {
    EXPECT_EQ(text.find(kToken), std::string::npos) << text;
  }
}

ErrorInfo VercelTest::createError(const CreateOptions& options) {
  auto made = compute_.sandbox().create(nothrow, options);
  EXPECT_FALSE(made) << "it was created";
  if (made) return {};
  expectNoSecret(made.error());
  return made.error();
}

}  // namespace computesdk::vercel::test

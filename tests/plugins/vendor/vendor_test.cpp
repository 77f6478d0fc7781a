#include "vendor_test.hpp"

#include <cstdlib>
#include <mutex>
#include <utility>

namespace computesdk::vendor::test {
namespace {

std::filesystem::path newFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "csdk-vendor-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

}  // namespace

VendorTest::VendorTest(std::unique_ptr<simulators::Simulator> simulator, std::vector<std::string> secrets,
                       simulators::ServerOptions options)
    : simulator_(simulator.get()),
      secrets_(std::move(secrets)),
      running_(std::move(simulator), std::move(options)),
      state_(newFolder()) {}

VendorTest::~VendorTest() {
  compute_.clearConfig();
  std::error_code ignored;
  std::filesystem::remove_all(state_, ignored);
}

ComputeConfig VendorTest::configOf(std::string provider, const StringMap& options, StringMap variables) const {
  ComputeConfig config;
  config.provider = std::move(provider);
  for (const auto& [key, value] : options) config.options[key] = value;
  config.stateDirectory = state_;
  config.environment = [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    if (found == variables.end()) return {};
    return found->second;
  };
  return config;
}

std::vector<simulators::RequestRecord> VendorTest::requests(std::string_view method, std::string_view path,
                                                            std::string_view end) {
  std::vector<simulators::RequestRecord> out;
  for (auto& request : server().recentRequests()) {
    const std::string asked = request.target.substr(0, request.target.find('?'));
    if (request.method == method && request.target.starts_with(path) && asked.ends_with(end)) {
      out.push_back(std::move(request));
    }
  }
  return out;
}

std::string VendorTest::header(const simulators::RequestRecord& request, std::string_view lowerName) {
  for (const auto& [name, value] : request.headers) {
    if (name == lowerName) return value;
  }
  return {};
}

void VendorTest::expectNoSecret(const ErrorInfo& error) const {
  for (const std::string& text :
       {error.what, error.why, error.fix, error.vendorText, error.vendorCode, error.requestId}) {
    for (const std::string& secret : secrets_) EXPECT_EQ(text.find(secret), std::string::npos) << text;
  }
}

ErrorInfo VendorTest::createError(const CreateOptions& options) {
  auto made = compute_.sandbox().create(nothrow, options);
  EXPECT_FALSE(made) << "it was created";
  if (made) return {};
  expectNoSecret(made.error());
  return made.error();
}

std::vector<std::string> VendorTest::hostsAsked(const std::string& provider, StringMap variables) {
  std::mutex mutex;
  std::vector<std::string> asked;
  simulators::Server proxy;
  proxy.route("CONNECT", "**", [&](simulators::Exchange& exchange) {
    {
      const std::lock_guard lock(mutex);
      asked.push_back(exchange.request.target);
    }
    exchange.respond(403, "");
  });
  variables["HTTPS_PROXY"] = proxy.url();
  compute_.setConfig(configOf(provider, {}, std::move(variables)));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::network) << error.why;
  EXPECT_FALSE(error.maybeApplied) << error.why;
  const std::lock_guard lock(mutex);
  return asked;
}

}  // namespace computesdk::vendor::test

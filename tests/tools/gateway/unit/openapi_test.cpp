#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "api/api.hpp"
#include "core/json.hpp"
#include "gateway.hpp"

namespace computesdk::gateway {
namespace {

/// A folder that goes with the test.
struct Folder {
  Folder() {
    std::string name = ::testing::TempDir() + "gateway-XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  std::string path;
};

/// "GET /v1/sandboxes/{id}" for "GET /v1/sandboxes/:id"; "{path}" stands for the rest.
std::string asDocumented(std::string pattern) {
  for (std::size_t at = 0; (at = pattern.find("/:", at)) != std::string::npos;) {
    const std::size_t end = std::min(pattern.find('/', at + 1), pattern.size());
    pattern = pattern.substr(0, at + 1) + "{" + pattern.substr(at + 2, end - at - 2) + "}" + pattern.substr(end);
    at += 3;
  }
  if (const std::size_t rest = pattern.find("/**"); rest != std::string::npos) pattern.replace(rest, 3, "/{path}");
  return pattern;
}

TEST(OpenApi, SaysWhatIsServed) {
  Folder folder;
  Gateway::Options options;
  options.settings.listenPort = 0;
  options.settings.store = "sqlite:" + folder.path + "/gateway.db";
  options.settings.providerPaths = {COMPUTESDK_PROVIDERS};
  options.keys = {{"key-0123456789abcdef", "0"}};
  auto gateway = Gateway::open(std::move(options));
  ASSERT_TRUE(gateway) << gateway.error().firstLine();
  const auto started = (*gateway)->start();
  ASSERT_TRUE(started) << started.error().firstLine();

  const auto document = parseJson(openApiDocument());
  ASSERT_TRUE(document);
  EXPECT_EQ(textOf(*member(*document, "openapi")), "3.1.0");
  std::set<std::string> documented, operations;
  for (const auto& path : member(*document, "paths")->GetObject()) {
    for (const auto& call : path.value.GetObject()) {
      std::string method(textOf(call.name));
      if (method == "parameters") continue;
      std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      documented.insert(method + " " + std::string(textOf(path.name)));
      EXPECT_TRUE(operations.insert(std::string(textOf(*member(call.value, "operationId")))).second);
    }
  }
  std::set<std::string> served;
  for (const std::string& pattern : (*gateway)->patterns()) {
    const std::string call = asDocumented(pattern);
    if (call == "* /v1/{path}") continue;  // answers calls that there are not
    if (!call.starts_with("* ")) {
      served.insert(call);
      continue;
    }
    for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}) {
      served.insert(method + call.substr(1));
    }
  }
  EXPECT_EQ(documented, served);
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const std::string text(openApiDocument());
  const auto document = parseJson(text);
  for (std::size_t at = 0; (at = text.find("\"#/components/", at)) != std::string::npos; ++at) {
    const std::string reference = text.substr(at + 14, text.find('"', at + 14) - at - 14);
    const std::size_t slash = reference.find('/');
    const JsonValue* group = member(*member(*document, "components"), reference.substr(0, slash));
    ASSERT_NE(group, nullptr) << reference;
    EXPECT_NE(member(*group, reference.substr(slash + 1)), nullptr) << reference;
  }
}

}  // namespace
}  // namespace computesdk::gateway

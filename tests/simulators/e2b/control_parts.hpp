#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "e2b.hpp"
#include "harness/json.hpp"

// What several answers of the control plane are made of.
namespace computesdk::simulators {

inline constexpr std::int64_t kDefaultTimeout = 300, kLongestTimeout = 24 * 3600;
inline constexpr const char* kEnvdVersion = "0.6.4";

struct Template {
  const char *id, *alias;
};
inline constexpr Template kTemplates[] = {{"rki5dems9wqfm4r03t7g", "base"},
                                          {"code-interpreter-v1", "code-interpreter-v1"}};
const Template* templateNamed(std::string_view text);

void respondUnknown(Exchange& exchange, const std::string& id);
/// The body as an object; an absent one is an empty object. False: it has answered.
bool readObject(Exchange& exchange, rapidjson::Document& body);
/// Seconds to live. False: it has answered.
bool readTimeout(Exchange& exchange, const rapidjson::Value& body, std::int64_t& timeout);
/// k=v&k2=v2, with keys and values encoded once or twice, as the official clients do.
std::map<std::string, std::string> metadataFilter(std::string_view text);
std::string queryOf(const Request& request, const std::string& name, const std::string& otherwise = {});
/// Which entries of a list were asked for; sets the header that leads to the next ones. False: it has answered.
bool pageOf(Exchange& exchange, std::size_t count, std::size_t& begin, std::size_t& end, Headers& headers);

template <typename T>
bool page(Exchange& exchange, std::vector<T>& all, Headers& headers) {
  std::size_t begin = 0, end = 0;
  if (!pageOf(exchange, all.size(), begin, end, headers)) return false;
  const auto first = all.begin();
  all = std::vector<T>(first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end));
  return true;
}

/// The answer to create and connect.
template <typename Box>
std::string createdJson(const Box& box) {
  JsonObject object;
  object.add("templateID", box.templateId);
  if (!box.alias.empty()) object.add("alias", box.alias);
  object.add("sandboxID", box.id).add("clientID", "sim-node").add("envdVersion", kEnvdVersion);
  object.add("envdAccessToken", box.token);
  object.raw("trafficAccessToken", box.trafficToken.empty() ? "null" : jsonText(box.trafficToken));
  return object.raw("domain", "null").text();
}

}  // namespace computesdk::simulators

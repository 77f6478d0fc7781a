#include "trust/policy.hpp"

#include "trust/ownership.hpp"
#include "values/fd.hpp"
#include "values/json.hpp"
#include "values/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace computesdk::registry {
namespace {

ErrorInfo badPolicy(const std::filesystem::path& file, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::policy;
  error.what = "cannot use the policy " + file.string();
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// The reason in an error's `why`.
Result<std::vector<std::string>> names(const rapidjson::Value& list, const std::string& key) {
  ErrorInfo error;
  error.why = key + " must be an array of provider names";
  if (!list.IsArray()) return error;
  std::vector<std::string> out;
  for (const auto& item : list.GetArray()) {
    if (!item.IsString()) return error;
    out.emplace_back(jsonView(item));
  }
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

std::string Policy::denies(std::string_view name) const {
  if (contains(deny, name)) return "denied by " + file.string();
  if (limitsAllowed && !contains(allow, name)) return "not among the providers that " + file.string() + " allows";
  return {};
}

Result<Policy> readPolicy(const std::filesystem::path& file) {
  Policy policy;
  policy.file = file;
  if (file.empty()) return policy;
  UniqueFd fd = openForReading(file);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return policy;
    return badPolicy(file, std::strerror(errno), "let an administrator look at the file");
  }
  // Whoever runs the tests or a private prefix may keep a policy too: his own binds only himself.
  OwnershipCheck ownership({.user = ::geteuid(), .rootOnly = false, .writers = {}});
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0)
    return badPolicy(file, std::strerror(errno), "let an administrator look at the file");
  auto problem = ownership.file(info, file);
  if (!problem) problem = ownership.folder(file.parent_path());
  if (problem) return badPolicy(file, problem->why, problem->fix);

  auto text = readWhole(fd.get(), 64 * 1024);
  auto document = text ? parseJson(*text, {}) : Result<rapidjson::Document>(text.error());
  if (!document) return badPolicy(file, document.error().why, "correct the file");
  if (!document->IsObject()) return badPolicy(file, "it is not a JSON object", "begin it with { and end it with }");
  for (const auto& [key, value] : document->GetObject()) {
    auto name = jsonView(key);
    if (name == "require_checksum") {
      if (!value.IsBool()) return badPolicy(file, "require_checksum must be true or false", "correct the file");
      policy.requireChecksum = value.GetBool();
      continue;
    }
    if (name != "allow" && name != "deny") {
      return badPolicy(file, "unknown key " + printable(name), "known are allow, deny and require_checksum");
    }
    auto list = names(value, std::string(name));
    if (!list) return badPolicy(file, list.error().why, "for example {\"deny\": [\"e2b\"]}");
    policy.limitsAllowed |= name == "allow";
    (name == "allow" ? policy.allow : policy.deny) = *list;
  }
  return policy;
}

}  // namespace computesdk::registry

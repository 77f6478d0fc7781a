#include <sys/stat.h>

#include <computesdk/serving/router.hpp>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "env/env_file.hpp"
#include "files/atomic_file.hpp"
#include "files/io.hpp"
#include "files/path_locks.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Request;
using serving::Response;

constexpr std::size_t kMaxEnvFile = 1 << 20;

Result<AskedPath> envPath(const Context& context, const Request& request) {
  const std::optional<std::string> file = request.queryValue("file");
  if (!file) return invalid("the query parameter file is missing", {}, "ask for /env?file=.env");
  return askedPath(context.workingDirectory(), *file);
}

Response answer(std::string_view message, const AskedPath& path, std::string_view field, const std::string& json) {
  return envelope(message, JsonObject().text("file", path.asked).raw(field, json).str(), true);
}

Response get(const Context& context, const Request& request) {
  const Result<AskedPath> path = envPath(context, request);
  if (!path) return failure(path.error());
  const Result<std::string> text = readFile(path->absolute, kMaxEnvFile);
  if (!text) return failure(text.error());
  JsonObject variables;
  for (const auto& [key, value] : EnvFile::parse(*text).variables()) variables.text(key, value);
  return answer("Environment variables retrieved", *path, "variables", variables.str());
}

Result<EnvFile::Variables> variablesOf(const rapidjson::Value& body) {
  const rapidjson::Value* variables = fieldOf(body, "variables");
  if (variables == nullptr || !variables->IsObject()) return invalid("variables must be an object");
  EnvFile::Variables read;
  for (const auto& member : variables->GetObject()) {
    const std::string key(viewOf(member.name));
    if (!EnvFile::validKey(key)) {
      return invalid("not a name of an environment variable: " + key, {}, "use letters, digits and _, no digit first");
    }
    if (!member.value.IsString()) return invalid("the value of " + key + " must be a string");
    read.emplace_back(key, viewOf(member.value));
    if (!EnvFile::validValue(read.back().second)) return invalid("the value of " + key + " holds a NUL character");
  }
  return read;
}

Response store(const AskedPath& path, const EnvFile& file, const std::vector<std::string>& keys,
               std::string_view message) {
  const std::string text = file.text();
  if (text.size() > kMaxEnvFile) return failure(invalid("Env file too large: " + path.absolute));
  if (auto written = writeFile(path.absolute, text); !written) return failure(written.error());
  return answer(message, path, "keys", jsonStrings(keys));
}

Response merge(const Context& context, const Request& request) {
  const Result<AskedPath> path = envPath(context, request);
  if (!path) return failure(path.error());
  const Result<rapidjson::Document> body = bodyOf(request);
  if (!body) return failure(body.error());
  const Result<EnvFile::Variables> variables = variablesOf(*body);
  if (!variables) return failure(variables.error());
  const auto lock = lockPath(path->absolute);
  const Result<std::string> text = readFile(path->absolute, kMaxEnvFile);
  if (!text && text.error().code != ErrorCode::fileNotFound) return failure(text.error());
  EnvFile file = EnvFile::parse(text.value_or(std::string()));
  std::vector<std::string> keys;
  for (const auto& [key, value] : *variables) {
    file.set(key, value);
    keys.push_back(key);
  }
  return store(*path, file, keys, "Environment variables updated");
}

Response removeKeys(const Context& context, const Request& request) {
  const Result<AskedPath> path = envPath(context, request);
  if (!path) return failure(path.error());
  const Result<rapidjson::Document> body = bodyOf(request);
  if (!body) return failure(body.error());
  if (fieldOf(*body, "keys") == nullptr) return failure(invalid("keys must be an array of strings"));
  const Result<std::vector<std::string>> asked = optionalTexts(*body, "keys");
  if (!asked) return failure(asked.error());
  const auto lock = lockPath(path->absolute);
  const Result<std::string> text = readFile(path->absolute, kMaxEnvFile);
  if (!text) return failure(text.error());
  EnvFile file = EnvFile::parse(*text);
  std::vector<std::string> removed;
  for (const std::string& key : *asked) {
    if (file.remove(key)) removed.push_back(key);
  }
  if (removed.empty()) return answer("Environment variables removed", *path, "keys", "[]");
  return store(*path, file, removed, "Environment variables removed");
}

Response envExists(const Context& context, const Request& request) {
  const Result<AskedPath> path = envPath(context, request);
  if (!path) return failure(path.error());
  struct stat info {};
  const bool there = stat(path->absolute.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  return there ? Response::json(200, {}) : failure(fileMissing(path->absolute));
}

}  // namespace

void addEnvRoutes(serving::Router& router, Context& context) {
  router.onBlocking("GET", "/env", [&context](const Request& request) { return get(context, request); });
  router.onBlocking("HEAD", "/env", [&context](const Request& request) { return envExists(context, request); });
  router.onBlocking("POST", "/env", [&context](const Request& request) { return merge(context, request); })
      .bodyLimit(2 * kMaxEnvFile);
  router.onBlocking("DELETE", "/env", [&context](const Request& request) { return removeKeys(context, request); })
      .bodyLimit(2 * kMaxEnvFile);
}

}  // namespace computesdk::sandboxd

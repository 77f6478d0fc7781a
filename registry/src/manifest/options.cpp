#include <computesdk/registry/manifest.hpp>

#include "manifest/schema.hpp"
#include "values/json.hpp"
#include "values/text.hpp"

#include <cmath>
#include <string>

namespace computesdk::registry {
namespace {

using rapidjson::Value;
using Allocator = rapidjson::Document::AllocatorType;

constexpr std::size_t kMaxKey = 256;
constexpr int kMaxKeyParts = 16;
constexpr std::size_t kMaxJson = 1024 * 1024;

ErrorInfo refused(const Manifest& manifest, const std::string& key, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::invalidArgument;
  error.what = "cannot use option " + (key.empty() ? std::string("values") : "'" + printable(key) + "'") + " with " +
               manifest.name;
  error.why = std::move(why);
  error.fix = std::move(fix);
  error.provider = manifest.name;
  return error;
}

Value copyText(std::string_view text, Allocator& allocator) {
  return Value(text.data(), static_cast<rapidjson::SizeType>(text.size()), allocator);
}

Result<Value> toJson(const Manifest& manifest, const std::string& key, const OptionValue& option,
                     Allocator& allocator) {
  if (const auto* flag = std::get_if<bool>(&option)) return Value(*flag);
  if (const auto* number = std::get_if<std::int64_t>(&option)) return Value(*number);
  if (const auto* number = std::get_if<double>(&option)) {
    if (!std::isfinite(*number)) return refused(manifest, key, "it is not a finite number", "give a number");
    return Value(*number);
  }
  if (const auto* text = std::get_if<std::string>(&option)) return copyText(*text, allocator);
  auto parsed = parseJson(std::get<Json>(option).text, {.maxBytes = kMaxJson, .maxDepth = 32});
  if (!parsed) return refused(manifest, key, "it is no JSON: " + parsed.error().why, "give one JSON value");
  Value value;
  value.CopyFrom(*parsed, allocator);
  return value;
}

/// Puts `value` where the dotted key says. An error's `why` tells what is wrong with the key.
Result<void> place(Value& root, const std::string& key, Value value, Allocator& allocator) {
  ErrorInfo error;
  error.why = "a key is made of words with dots between them, at most 16 and 256 bytes in all";
  if (key.empty() || key.size() > kMaxKey) return error;
  Value* at = &root;
  std::string_view rest = key;
  for (int parts = 1;; ++parts) {
    auto dot = rest.find('.');
    auto word = rest.substr(0, dot);
    if (word.empty() || parts > kMaxKeyParts) return error;
    Value name = copyText(word, allocator);
    auto found = at->FindMember(name);
    bool last = dot == std::string_view::npos;
    if (found != at->MemberEnd() && (last || !found->value.IsObject())) {
      error.why = "it is given twice, as a value and as an object";
      return error;
    }
    if (last) {
      at->AddMember(name, value, allocator);
      return {};
    }
    if (found == at->MemberEnd()) {
      at->AddMember(name, Value(rapidjson::kObjectType), allocator);
      found = at->FindMember(copyText(word, allocator));
    }
    at = &found->value;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<void> checkOptions(const Manifest& manifest, const OptionMap& options) {
  if (options.empty()) return {};
  rapidjson::Document root(rapidjson::kObjectType);
  for (const auto& [key, option] : options) {
    auto value = toJson(manifest, key, option, root.GetAllocator());
    if (!value) return std::move(value).error();
    auto placed = place(root, key, std::move(*value), root.GetAllocator());
    if (!placed) return refused(manifest, key, placed.error().why, "correct the key");
  }
  if (manifest.optionsSchema.empty()) return {};
  auto document =
      parseJson(manifest.optionsSchema, {.maxBytes = kManifestMaxBytes, .maxDepth = kOptionsSchemaMaxDepth});
  auto schema = document ? Schema::compile(*document) : Result<Schema>(document.error());
  if (!schema) {
    ErrorInfo error = schema.error();
    error.code = ErrorCode::manifest;
    error.what = "cannot check options against the manifest of " + manifest.name;
    error.fix = "ask the provider's author to correct options_schema in " + manifest.file.string();
    error.provider = manifest.name;
    return error;
  }
  if (auto problem = schema->check(root)) {
    return refused(manifest, problem->key, "it " + problem->problem,
                   problem->fix.empty() ? "see: computesdk provider info " + manifest.name : problem->fix);
  }
  return {};
}

}  // namespace computesdk::registry

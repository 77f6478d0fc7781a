#include "sandboxes/create_options.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "sandboxes/failures.hpp"

namespace computesdk::gateway {
namespace {

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxMetadata = 64 * 1024;
constexpr double kMaxMillis = 1e13;

constexpr std::array<std::string_view, 14> kKnown = {"provider",  "timeout",   "templateId", "image",    "snapshotId",
                                                     "runtime",   "directory", "metadata",   "envs",     "name",
                                                     "namespace", "overlays",  "servers",    "sandboxId"};

ErrorInfo wrong(std::string_view key, std::string_view must) {
  return badRequest("\"" + std::string(key) + "\" must be " + std::string(must));
}

/// Sets `target` from a text member.
Result<void> takeText(const JsonValue& body, std::string_view key, std::string& target) {
  auto value = textField(body, key);
  if (!value) return std::move(value).error();
  if (*value) target = std::move(**value);
  return {};
}

Result<void> takeEnvs(const JsonValue& body, StringMap& target) {
  const JsonValue* envs = member(body, "envs");
  if (envs == nullptr || envs->IsNull()) return {};
  if (!envs->IsObject()) return wrong("envs", "an object of texts");
  for (const auto& each : envs->GetObject()) {
    const std::string name(textOf(each.name));
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
      return wrong("envs", "an object whose names are names of variables");
    }
    std::string value;
    if (each.value.IsString()) {
      value = textOf(each.value);
    } else if (each.value.IsNumber() || each.value.IsBool()) {
      value = toText(each.value);
    } else {
      return wrong("envs", "an object of texts");
    }
    if (value.find('\0') != std::string::npos) return wrong("envs", "without NUL characters");
    target[name] = std::move(value);
  }
  return {};
}

Result<void> takeMetadata(const JsonValue& body, SandboxOptions& options) {
  const JsonValue* metadata = member(body, "metadata");
  if (metadata == nullptr || metadata->IsNull()) return {};
  if (!metadata->IsObject()) return wrong("metadata", "an object");
  options.metadata = toText(*metadata);
  if (options.metadata.size() > kMaxMetadata) return wrong("metadata", "at most 64 KiB long");
  for (const auto& each : metadata->GetObject()) {
    options.metadataTexts[std::string(textOf(each.name))] =
        each.value.IsString() ? std::string(textOf(each.value)) : toText(each.value);
  }
  return {};
}

Result<void> takeSetup(const JsonValue& body, SandboxOptions& options) {
  JsonWriter json;
  json.beginObject();
  bool any = false;
  for (const std::string_view key : {"overlays", "servers"}) {
    const JsonValue* value = member(body, key);
    if (value == nullptr || value->IsNull()) continue;
    if (!value->IsArray()) return wrong(key, "a list");
    for (const auto& each : value->GetArray()) {
      if (!each.IsObject()) return wrong(key, "a list of objects");
    }
    json.key(key).raw(toText(*value));
    any = any || !value->Empty();
  }
  if (any) options.setup = options.extras = json.endObject().text();
  return {};
}

void takeOthers(const JsonValue& body, OptionMap& options) {
  for (const auto& each : body.GetObject()) {
    const std::string key(textOf(each.name));
    if (std::ranges::find(kKnown, key) != kKnown.end() || each.value.IsNull()) continue;
    if (each.value.IsString()) {
      options[key] = std::string(textOf(each.value));
    } else if (each.value.IsBool()) {
      options[key] = each.value.GetBool();
    } else if (each.value.IsInt64()) {
      options[key] = std::int64_t{each.value.GetInt64()};
    } else if (each.value.IsNumber()) {
      options[key] = each.value.GetDouble();
    } else {
      options[key] = Json{toText(each.value)};
    }
  }
}

Result<void> checkNames(const SandboxOptions& options) {
  for (const auto& [key, value] : {std::pair{"name", &options.name}, std::pair{"namespace", &options.nameSpace}}) {
    if (value->size() > kMaxName) return wrong(key, "at most 256 bytes long");
    if (std::ranges::any_of(*value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
      return wrong(key, "without control characters");
    }
  }
  if (!options.directory.empty() && options.directory.front() != '/') return wrong("directory", "an absolute path");
  return {};
}

}  // namespace

Result<JsonDocument> readBody(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) body = "{}";
  auto parsed = parseJson(body);
  if (!parsed) return badRequest("its body is no JSON");
  if (!parsed->IsObject()) return badRequest("its body is no JSON object");
  return std::move(*parsed);
}

Result<std::optional<std::string>> textField(const JsonValue& object, std::string_view key) {
  const JsonValue* value = member(object, key);
  if (value == nullptr || value->IsNull()) return std::optional<std::string>();
  if (!value->IsString()) return wrong(key, "a text");
  std::string text(textOf(*value));
  if (text.find('\0') != std::string::npos) return wrong(key, "without NUL characters");
  return std::optional(std::move(text));
}

Result<std::optional<std::chrono::milliseconds>> durationField(const JsonValue& object, std::string_view key,
                                                               bool zero) {
  const JsonValue* value = member(object, key);
  if (value == nullptr || value->IsNull()) return std::optional<std::chrono::milliseconds>();
  const double millis = value->IsNumber() ? value->GetDouble() : -1;
  if (!(millis > 0 || (zero && millis == 0)) || millis > kMaxMillis) {
    return wrong(key, zero ? "a number of milliseconds, not negative" : "a positive number of milliseconds");
  }
  return std::optional(std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(millis))));
}

Result<SandboxOptions> readSandboxOptions(const JsonValue& body) {
  SandboxOptions options;
  const std::pair<std::string_view, std::string*> texts[] = {
      {"provider", &options.provider}, {"templateId", &options.templateId},
      {"image", &options.image},       {"snapshotId", &options.snapshotId},
      {"runtime", &options.runtime},   {"directory", &options.directory},
      {"name", &options.name},         {"namespace", &options.nameSpace}};
  for (const auto& [key, target] : texts) {
    if (auto taken = takeText(body, key, *target); !taken) return std::move(taken).error();
  }
  auto timeout = durationField(body, "timeout", true);
  if (!timeout) return std::move(timeout).error();
  options.timeout = *timeout;
  if (auto taken = takeEnvs(body, options.envs); !taken) return std::move(taken).error();
  if (auto taken = takeMetadata(body, options); !taken) return std::move(taken).error();
  if (auto taken = takeSetup(body, options); !taken) return std::move(taken).error();
  if (auto checked = checkNames(options); !checked) return std::move(checked).error();
  takeOthers(body, options.options);
  return options;
}

}  // namespace computesdk::gateway

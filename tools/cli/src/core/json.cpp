#include "core/json.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "core/units.hpp"

namespace computesdk::cli {
namespace {

/// Length of the UTF-8 character that `text` begins with, 0 when it begins with none. No overlong forms, no surrogates.
std::size_t characterLength(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

std::string repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    auto length = characterLength(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace

struct JsonWriter::Impl {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
};

JsonWriter::JsonWriter() : impl_(std::make_unique<Impl>()) {}
JsonWriter::~JsonWriter() = default;

JsonWriter& JsonWriter::beginObject() { return impl_->writer.StartObject(), *this; }
JsonWriter& JsonWriter::endObject() { return impl_->writer.EndObject(), *this; }
JsonWriter& JsonWriter::beginArray() { return impl_->writer.StartArray(), *this; }
JsonWriter& JsonWriter::endArray() { return impl_->writer.EndArray(), *this; }
JsonWriter& JsonWriter::key(std::string_view name) { return text(name); }
JsonWriter& JsonWriter::number(std::int64_t value) { return impl_->writer.Int64(value), *this; }
JsonWriter& JsonWriter::boolean(bool value) { return impl_->writer.Bool(value), *this; }
JsonWriter& JsonWriter::null() { return impl_->writer.Null(), *this; }

JsonWriter& JsonWriter::text(std::string_view value) {
  if (!isUtf8(value)) {
    std::string good = repaired(value);
    impl_->writer.String(good.data(), static_cast<rapidjson::SizeType>(good.size()));
  } else {
    impl_->writer.String(value.data() == nullptr ? "" : value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  if (json.empty()) return null();
  impl_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

JsonWriter& JsonWriter::field(std::string_view name, const StringMap& value) {
  key(name).beginObject();
  for (const auto& [itemKey, item] : value) key(itemKey).text(item);
  return endObject();
}

JsonWriter& JsonWriter::field(std::string_view name, const std::vector<std::string>& value) {
  key(name).beginArray();
  for (const std::string& item : value) text(item);
  return endArray();
}

JsonWriter& JsonWriter::field(std::string_view name, std::optional<SystemTime> value) {
  return value ? key(name).text(formatTime(*value)) : key(name).null();
}

JsonWriter& JsonWriter::optionalField(std::string_view name, std::string_view value) {
  return value.empty() ? key(name).null() : key(name).text(value);
}

std::string JsonWriter::str() const { return {impl_->buffer.GetString(), impl_->buffer.GetSize()}; }

void writeSandbox(JsonWriter& json, const SandboxInfo& info) {
  auto optionalNumber = [&json](std::string_view name, std::int64_t value) {
    value > 0 ? json.field(name, value) : json.key(name).null();
  };
  json.field("id", info.id).field("provider", info.provider);
  json.optionalField("name", info.name).optionalField("namespace", info.namespace_);
  json.field("status", toString(info.status)).field("network", toString(info.network));
  json.field("created_at", info.createdAt).field("expires_at", info.expiresAt);
  json.field("never_expires", info.neverExpires);
  optionalNumber("cpu_milli", info.cpuMilli);
  optionalNumber("memory_bytes", info.memoryBytes);
  optionalNumber("disk_bytes", info.diskBytes);
  optionalNumber("process_limit", info.processLimit);
  json.optionalField("template", info.templateId).optionalField("image", info.image);
  json.optionalField("working_directory", info.workingDirectory).optionalField("isolation", info.isolation);
  json.field("limits", info.limits).field("notices", info.notices).field("metadata", info.metadata);
}

void writeEntry(JsonWriter& json, const FileEntry& entry) {
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", entry.mode & 07777U);
  json.field("name", entry.name).field("path", entry.path).field("type", toString(entry.type));
  entry.size >= 0 ? json.field("size", entry.size) : json.key("size").null();
  entry.mode != 0 ? json.field("mode", mode) : json.key("mode").null();
  json.field("modified_at", entry.modifiedAt);
  json.optionalField("owner", entry.owner).optionalField("group", entry.group);
  json.optionalField("link_target", entry.linkTarget);
}

void writeError(JsonWriter& json, const ErrorInfo& error) {
  json.field("code", codeName(error.code)).field("message", error.firstLine());
  json.field("why", error.why).field("fix", error.fix);
  json.optionalField("provider", error.provider).optionalField("sandbox_id", error.sandboxId);
  json.optionalField("request_id", error.requestId);
  json.field("retryable", error.retryable);
  error.retryAfter.count() > 0 ? json.field("retry_after_ms", error.retryAfter.count())
                               : json.key("retry_after_ms").null();
  json.field("maybe_applied", error.maybeApplied);
  json.optionalField("vendor_code", error.vendorCode).optionalField("vendor_text", error.vendorText);
  json.field("docs_url", "docs/errors/" + std::string(codeName(error.code)) + ".md");
}

bool isUtf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto length = characterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto byte = [&](std::size_t k) -> unsigned {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U;
    };
    unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
  return out;
}

}  // namespace computesdk::cli

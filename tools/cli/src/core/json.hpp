#pragma once

#include <computesdk/computesdk.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// What --json prints. The names are stable and described in docs/cli.md.
namespace computesdk::cli {

/// Writes one JSON value, piece by piece. Text that is not UTF-8 gets U+FFFD in the place of each wrong byte. Not
/// thread-safe.
class JsonWriter {
 public:
  JsonWriter();
  ~JsonWriter();
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  JsonWriter& beginObject();
  JsonWriter& endObject();
  JsonWriter& beginArray();
  JsonWriter& endArray();
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// A JSON text as it is; null when it is empty.
  JsonWriter& raw(std::string_view json);

  JsonWriter& field(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).text(value); }
  JsonWriter& field(std::string_view name, std::int64_t value) { return key(name).number(value); }
  JsonWriter& field(std::string_view name, int value) { return key(name).number(value); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& field(std::string_view name, const StringMap& value);
  JsonWriter& field(std::string_view name, const std::vector<std::string>& value);
  JsonWriter& field(std::string_view name, std::optional<SystemTime> value);
  /// null instead of an empty text.
  JsonWriter& optionalField(std::string_view name, std::string_view value);

  /// The text so far.
  [[nodiscard]] std::string str() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

void writeSandbox(JsonWriter& json, const SandboxInfo& info);
void writeEntry(JsonWriter& json, const FileEntry& entry);
/// The object inside "error".
void writeError(JsonWriter& json, const ErrorInfo& error);

/// Whether all of it is UTF-8.
bool isUtf8(std::string_view text) noexcept;
std::string base64(std::string_view bytes);

}  // namespace computesdk::cli

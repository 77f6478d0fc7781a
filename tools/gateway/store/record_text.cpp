#include "store/record_text.hpp"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace computesdk::gateway {
namespace {

int digitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// Writes the fields that it is shown.
class Writing {
 public:
  Writing() { writer_.StartObject(); }
  void text(const char* name, const std::string& value) {
    if (value.empty()) return;
    writer_.Key(name);
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  void bytes(const char* name, const std::string& value) { text(name, toHex(value)); }
  void number(const char* name, std::int64_t value) {
    if (value == 0) return;
    writer_.Key(name);
    writer_.Int64(value);
  }
  void state(const char* name, SandboxState value) { number(name, static_cast<std::int64_t>(value)); }
  void map(const char* name, const std::map<std::string, std::string>& values) {
    if (values.empty()) return;
    writer_.Key(name);
    writer_.StartObject();
    for (const auto& [key, value] : values) {
      writer_.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
      writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    }
    writer_.EndObject();
  }
  std::string done() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
  }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

/// Reads the fields that it is shown; ok() unless one of them was of another kind.
class Reading {
 public:
  explicit Reading(const std::string& text) {
    document_.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    ok_ = !document_.HasParseError() && document_.IsObject();
  }
  void text(const char* name, std::string& value) {
    value.clear();
    if (const auto* found = field(name, &rapidjson::Value::IsString)) {
      value.assign(found->GetString(), found->GetStringLength());
    }
  }
  void bytes(const char* name, std::string& value) {
    std::string hex;
    text(name, hex);
    auto plain = fromHex(hex);
    ok_ = ok_ && plain;
    value = plain.value_or(std::string());
  }
  void number(const char* name, std::int64_t& value) {
    const auto* found = field(name, &rapidjson::Value::IsInt64);
    value = found != nullptr ? found->GetInt64() : 0;
  }
  void state(const char* name, SandboxState& value) {
    std::int64_t plain = 0;
    number(name, plain);
    value = static_cast<SandboxState>(plain);
    ok_ = ok_ && plain >= 1 && plain <= 3;
  }
  void map(const char* name, std::map<std::string, std::string>& values) {
    values.clear();
    const auto* found = field(name, &rapidjson::Value::IsObject);
    if (found == nullptr) return;
    for (const auto& member : found->GetObject()) {
      ok_ = ok_ && member.value.IsString();
      if (!ok_) return;
      values.emplace(std::string(member.name.GetString(), member.name.GetStringLength()),
                     std::string(member.value.GetString(), member.value.GetStringLength()));
    }
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  const rapidjson::Value* field(const char* name, bool (rapidjson::Value::*is)() const) {
    if (!ok_) return nullptr;
    const auto found = document_.FindMember(name);
    if (found == document_.MemberEnd()) return nullptr;
    ok_ = (found->value.*is)();
    return ok_ ? &found->value : nullptr;
  }
  rapidjson::Document document_;
  bool ok_ = false;
};

// Each record's fields, once for both directions.

template <typename Way, typename Record>
void sandboxFields(Way& way, Record& record) {
  way.text("id", record.id);
  way.text("workspace", record.workspace);
  way.text("provider", record.provider);
  way.text("providerId", record.providerId);
  way.bytes("token", record.token);
  way.text("daemonUrl", record.daemonUrl);
  way.text("daemonToken", record.daemonToken);
  way.text("metadata", record.metadata);
  way.map("envs", record.envs);
  way.text("name", record.name);
  way.text("namespace", record.nameSpace);
  way.text("parent", record.parentId);
  way.text("details", record.details);
  way.number("created", record.createdMs);
  way.number("expires", record.expiresMs);
  way.state("state", record.state);
  way.text("lease", record.lease);
  way.number("failures", record.failures);
}

template <typename Way, typename Record>
void keyFields(Way& way, Record& key) {
  way.text("id", key.id);
  way.text("hash", key.hash);
  way.text("workspace", key.workspace);
  way.text("label", key.label);
  way.number("created", key.createdMs);
  way.number("revoked", key.revokedMs);
}

template <typename Way, typename Record>
void snapshotFields(Way& way, Record& snapshot) {
  way.text("id", snapshot.id);
  way.text("workspace", snapshot.workspace);
  way.text("provider", snapshot.provider);
  way.text("providerId", snapshot.providerId);
  way.bytes("token", snapshot.token);
  way.text("sandbox", snapshot.sandboxId);
  way.text("name", snapshot.name);
  way.text("metadata", snapshot.metadata);
  way.number("created", snapshot.createdMs);
}

template <typename Way, typename Record>
void auditFields(Way& way, Record& entry) {
  way.number("time", entry.timeMs);
  way.text("workspace", entry.workspace);
  way.text("actor", entry.actor);
  way.text("action", entry.action);
  way.text("target", entry.target);
  way.text("outcome", entry.outcome);
  way.text("details", entry.details);
}

template <typename Record, typename Fields>
std::string written(const Record& record, Fields&& fields) {
  Writing way;
  fields(way, record);
  return way.done();
}

template <typename Record, typename Fields>
bool readInto(const std::string& text, Record& record, Fields&& fields) {
  Reading way(text);
  fields(way, record);
  return way.ok();
}

constexpr auto kSandbox = [](auto& way, auto& record) { sandboxFields(way, record); };
constexpr auto kKey = [](auto& way, auto& record) { keyFields(way, record); };
constexpr auto kSnapshot = [](auto& way, auto& record) { snapshotFields(way, record); };
constexpr auto kAudit = [](auto& way, auto& record) { auditFields(way, record); };

}  // namespace

std::string toHex(const std::string& bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::optional<std::string> fromHex(const std::string& text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digitOf(text[i]);
    const int low = digitOf(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string encode(const SandboxRecord& record) { return written(record, kSandbox); }
std::string encode(const ApiKey& key) { return written(key, kKey); }
std::string encode(const SnapshotRecord& snapshot) { return written(snapshot, kSnapshot); }
std::string encode(const AuditEntry& entry) { return written(entry, kAudit); }

bool decode(const std::string& text, SandboxRecord& out) { return readInto(text, out, kSandbox); }
bool decode(const std::string& text, ApiKey& out) { return readInto(text, out, kKey); }
bool decode(const std::string& text, SnapshotRecord& out) { return readInto(text, out, kSnapshot); }
bool decode(const std::string& text, AuditEntry& out) { return readInto(text, out, kAudit); }

}  // namespace computesdk::gateway

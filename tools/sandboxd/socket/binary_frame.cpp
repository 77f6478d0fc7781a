#include "socket/binary_frame.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

#include "core/answer.hpp"
#include "core/utf8.hpp"

namespace computesdk::sandboxd {
namespace {

/// Takes pieces from the front of bytes; once something is missing all else is too.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : left_(bytes) {}

  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char c : text(width)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view text(std::size_t length) {
    if (length > left_.size()) {
      good_ = false;
      left_ = {};
      return {};
    }
    const auto out = left_.substr(0, length);
    left_.remove_prefix(length);
    return out;
  }
  std::string_view sized(std::size_t width) {
    const auto length = number(width);
    return text(static_cast<std::size_t>(length));
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool done() const { return good_ && left_.empty(); }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

bool isUtf8(std::string_view text) { return completeUtf8(text) == text.size() && validUtf8(text) == text; }

std::string numberJson(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[40];
  if (value == std::trunc(value) && std::fabs(value) < 9e15) {
    std::snprintf(buffer, sizeof buffer, "%.0f", value);
  } else {
    std::snprintf(buffer, sizeof buffer, "%.17g", value);
  }
  return buffer;
}

std::optional<std::string> fieldJson(std::uint64_t kind, std::string_view value) {
  switch (kind) {
    case 1:
    case 4: return serving::jsonString(value);
    case 2: {
      if (value.size() != 8) return std::nullopt;
      return numberJson(std::bit_cast<double>(Bytes(value).number(8)));
    }
    case 3: {
      if (value.size() != 1 || static_cast<unsigned char>(value[0]) > 1) return std::nullopt;
      return value[0] == 1 ? "true" : "false";
    }
    default: return std::nullopt;
  }
}

/// The JSON object of a key-value block; nothing when it is none.
std::optional<std::string> blockJson(std::string_view data) {
  Bytes bytes(data);
  const auto count = bytes.number(2);
  JsonObject object;
  for (std::uint64_t i = 0; i < count && bytes.good(); ++i) {
    const auto key = bytes.sized(2);
    const auto kind = bytes.number(1);
    const auto value = bytes.sized(4);
    if (!bytes.good() || !isUtf8(key)) return std::nullopt;
    const auto json = fieldJson(kind, value);
    if (!json) return std::nullopt;
    object.raw(key, *json);
  }
  if (!bytes.done()) return std::nullopt;
  return object.str();
}

std::string jsonOf(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace

std::optional<ClientMessage> decodeBinary(std::string_view frame) {
  Bytes bytes(frame);
  const auto kind = bytes.number(1);
  const auto channel = bytes.sized(2);
  const auto type = bytes.sized(2);
  const auto data = bytes.sized(4);
  if (!bytes.done() || kind < 1 || kind > 5 || !isUtf8(channel) || !isUtf8(type)) return std::nullopt;
  ClientMessage message;
  message.channel = channel;
  message.type = kind == 1 ? "subscribe" : kind == 2 ? "unsubscribe" : std::string(type);
  if (data.empty()) {
    message.data = "{}";
  } else if (auto block = blockJson(data)) {
    message.data = std::move(*block);
  } else {
    message.data = serving::jsonString(data);
  }
  return message;
}

std::optional<ClientMessage> decodeText(std::string_view frame) {
  const auto parsed = parseJson(frame);
  if (!parsed || !parsed->IsObject()) return std::nullopt;
  const auto type = optionalText(*parsed, "type");
  const auto channel = optionalText(*parsed, "channel");
  if (!type || !*type || !channel) return std::nullopt;
  ClientMessage message;
  message.type = **type;
  message.channel = channel->value_or("");
  const auto* data = fieldOf(*parsed, "data");
  message.data = data == nullptr ? "{}" : jsonOf(*data);
  return message;
}

}  // namespace computesdk::sandboxd

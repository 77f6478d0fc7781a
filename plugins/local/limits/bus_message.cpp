#include "bus_message.hpp"

namespace computesdk::local::limits {
namespace {

constexpr std::size_t kFixedHeader = 16;
constexpr char kLittleEndian = 'l';

enum Field : std::uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSender = 7,
  kSignature = 8,
};

std::uint32_t numberAt(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

void textField(BusWriter& writer, Field field, const char* type, std::string_view text) {
  if (text.empty()) return;
  writer.align(8);
  writer.byte(field);
  writer.signature(type);
  if (field == kSignature) {
    writer.signature(text);
  } else {
    writer.string(text);
  }
}

}  // namespace

void BusWriter::number(std::uint32_t value) {
  align(4);
  for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
}

void BusWriter::string(std::string_view text) {
  number(static_cast<std::uint32_t>(text.size()));
  bytes_.append(text);
  bytes_ += '\0';
}

void BusWriter::signature(std::string_view text) {
  byte(static_cast<std::uint8_t>(text.size()));
  bytes_.append(text);
  bytes_ += '\0';
}

BusWriter::Mark BusWriter::beginArray(std::size_t alignment) {
  number(0);
  const std::size_t length = bytes_.size() - 4;
  align(alignment);  // the padding before the first element is not counted
  return {length, bytes_.size()};
}

void BusWriter::endArray(const Mark& mark) {
  const auto size = static_cast<std::uint32_t>(bytes_.size() - mark.start);
  for (std::size_t i = 0; i < 4; ++i) bytes_[mark.length + i] = static_cast<char>(size >> (8 * i) & 0xff);
}

bool BusReader::take(std::size_t count) {
  if (!ok_ || count > bytes_.size() - at_) {
    ok_ = false;
    return false;
  }
  at_ += count;
  return true;
}

void BusReader::align(std::size_t to) { take((to - at_ % to) % to); }

std::uint8_t BusReader::byte() { return take(1) ? static_cast<std::uint8_t>(bytes_[at_ - 1]) : 0; }

std::uint32_t BusReader::number() {
  align(4);
  return take(4) ? numberAt(bytes_, at_ - 4) : 0;
}

std::string_view BusReader::string() {
  const std::size_t size = number();
  if (!take(size) || !take(1) || bytes_[at_ - 1] != '\0') {
    ok_ = false;
    return {};
  }
  return bytes_.substr(at_ - size - 1, size);
}

std::string_view BusReader::signature() {
  const std::size_t size = byte();
  if (!take(size) || !take(1) || bytes_[at_ - 1] != '\0') {
    ok_ = false;
    return {};
  }
  return bytes_.substr(at_ - size - 1, size);
}

std::string encode(const BusMessage& message) {
  BusWriter writer;
  writer.byte(kLittleEndian);
  writer.byte(static_cast<std::uint8_t>(message.type));
  writer.byte(0);  // flags
  writer.byte(1);  // protocol version
  writer.number(static_cast<std::uint32_t>(message.body.size()));
  writer.number(message.serial);
  const BusWriter::Mark fields = writer.beginArray(8);
  textField(writer, kPath, "o", message.path);
  textField(writer, kDestination, "s", message.destination);
  textField(writer, kInterface, "s", message.interface);
  textField(writer, kMember, "s", message.member);
  textField(writer, kErrorName, "s", message.errorName);
  textField(writer, kSender, "s", message.sender);
  textField(writer, kSignature, "g", message.signature);
  if (message.replySerial != 0) {
    writer.align(8);
    writer.byte(kReplySerial);
    writer.signature("u");
    writer.number(message.replySerial);
  }
  writer.endArray(fields);
  writer.align(8);
  return writer.take() + message.body;
}

std::optional<std::size_t> busMessageSize(std::string_view bytes) {
  if (!bytes.empty() && bytes[0] != kLittleEndian) return std::nullopt;
  if (bytes.size() < kFixedHeader) return 0;
  const std::size_t body = numberAt(bytes, 4), fields = numberAt(bytes, 12);
  if (body > kMostBusMessage || fields > kMostBusMessage) return std::nullopt;
  const std::size_t size = (kFixedHeader + fields + 7) / 8 * 8 + body;
  if (size > kMostBusMessage) return std::nullopt;
  return size;
}

std::optional<BusMessage> decode(std::string_view bytes) {
  const auto size = busMessageSize(bytes);
  if (!size || *size == 0 || *size != bytes.size()) return std::nullopt;
  const std::size_t bodySize = numberAt(bytes, 4);
  const std::string_view header = bytes.substr(0, bytes.size() - bodySize);
  const std::size_t fieldsEnd = kFixedHeader + numberAt(bytes, 12);
  BusReader reader(header);
  reader.byte();
  BusMessage message;
  const std::uint8_t type = reader.byte();
  if (type < 1 || type > 4) return std::nullopt;
  message.type = static_cast<BusType>(type);
  reader.byte();
  reader.byte();
  reader.number();
  message.serial = reader.number();
  reader.number();
  while (reader.ok() && reader.position() < fieldsEnd) {
    reader.align(8);
    const std::uint8_t field = reader.byte();
    const std::string_view kind = reader.signature();
    if (kind == "u") {
      const std::uint32_t value = reader.number();
      if (field == kReplySerial) message.replySerial = value;
      continue;
    }
    if (kind != "s" && kind != "o" && kind != "g") return std::nullopt;
    const std::string value(kind == "g" ? reader.signature() : reader.string());
    switch (field) {
      case kPath: message.path = value; break;
      case kInterface: message.interface = value; break;
      case kMember: message.member = value; break;
      case kErrorName: message.errorName = value; break;
      case kDestination: message.destination = value; break;
      case kSender: message.sender = value; break;
      case kSignature: message.signature = value; break;
      default: break;
    }
  }
  if (!reader.ok() || reader.position() > fieldsEnd) return std::nullopt;
  message.body.assign(bytes.substr(bytes.size() - bodySize));
  return message;
}

}  // namespace computesdk::local::limits

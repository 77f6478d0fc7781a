// The D-Bus wire format, as far as one call to systemd needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::local::limits {

constexpr std::size_t kMostBusMessage = 1U << 20;

// Marshals values in native little-endian order, aligned as the specification asks. The caller keeps to a signature.
class BusWriter {
 public:
  void align(std::size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to); }
  void byte(std::uint8_t value) { bytes_ += static_cast<char>(value); }
  void number(std::uint32_t value);
  void boolean(bool value) { number(value ? 1 : 0); }
  void string(std::string_view text);     // also object paths
  void signature(std::string_view text);  // "v" is a signature and then the value
  // begin gives a mark for end. `alignment`: of the element type.
  struct Mark {
    std::size_t length, start;
  };
  Mark beginArray(std::size_t alignment);
  void endArray(const Mark& mark);
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads the same. After the first value that does not fit everything reads as zero and ok() is false.
class BusReader {
 public:
  explicit BusReader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  std::size_t position() const { return at_; }
  void align(std::size_t to);
  std::uint8_t byte();
  std::uint32_t number();
  std::string_view string();
  std::string_view signature();

 private:
  bool take(std::size_t count);
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

enum class BusType : std::uint8_t { kCall = 1, kReturn = 2, kError = 3, kSignal = 4 };

struct BusMessage {
  BusType type = BusType::kCall;
  std::uint32_t serial = 0, replySerial = 0;
  std::string path, interface, member, errorName, destination, sender, signature;
  std::string body;
};

std::string encode(const BusMessage& message);

// Length of the whole message that begins with these bytes; 0: more bytes are needed to tell; nullopt: no D-Bus
// message, a foreign byte order, or one beyond kMostBusMessage.
std::optional<std::size_t> busMessageSize(std::string_view bytes);
// A whole message. nullopt: malformed.
std::optional<BusMessage> decode(std::string_view bytes);

}  // namespace computesdk::local::limits

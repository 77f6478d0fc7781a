#pragma once

#include "abi_structs.hpp"

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What is spoken between a host and the process of an isolated plug-in: docs/plugin-wire.md. Each end takes the other
// for hostile, so nothing here trusts a length, a count or an order.
namespace computesdk::registry::host {

enum class FrameType : std::uint16_t {
  hello = 1,    ///< process: the table was read (HelloBody)
  refused,      ///< process: why there is no provider (text)
  open,         ///< host: csdk_open_args; flags: kOpenHttp when it has csdk.http/1
  argument,     ///< host: a piece of a long bytes field of the coming call; flags: its tag
  call,         ///< host: an operation's arguments; flags: Op
  cancel,       ///< host
  complete,     ///< process: CompleteBody
  output,       ///< process: bytes; flags: stream
  credit,       ///< host: so many bytes of output and results were taken (u64)
  input,        ///< host: bytes of the call's source
  inputEnd,     ///< host
  inputCredit,  ///< process: so many bytes of input were consumed (u64)
  result,       ///< process: what was pushed; flags: ResultKind
  log,          ///< process: text; flags: level
  http,         ///< both: a request of csdk.http/1; flags: HttpFrame
};
inline constexpr std::uint16_t kLastFrameType = static_cast<std::uint16_t>(FrameType::http);

struct FrameHeader {
  std::uint32_t size;  ///< of the body
  std::uint16_t type;
  std::uint16_t flags;
  std::uint64_t call;  ///< 0: none
};
static_assert(sizeof(FrameHeader) == 16);

inline constexpr std::size_t kMaxFrame = std::size_t{1} << 20;  ///< header included
inline constexpr std::size_t kMaxBody = kMaxFrame - sizeof(FrameHeader);
inline constexpr std::size_t kDataChunk = std::size_t{64} << 10;
inline constexpr std::int64_t kOutputWindow = CSDK_HIGH_WATER;  ///< output and results a call may have under way
inline constexpr std::int64_t kInputWindow = std::int64_t{256} << 10;

struct Frame {
  FrameType type;
  std::uint16_t flags;
  std::uint64_t call;
  std::span<const std::byte> body;
};

/// A whole frame as bytes. `body` is at most kMaxBody long.
std::string encodeFrame(FrameType type, std::uint16_t flags, std::uint64_t call, std::string_view body);

/// Cuts a byte stream into frames.
class FrameReader {
 public:
  /// Where to read the next bytes to; valid until the next call.
  std::span<std::byte> space();
  void filled(std::size_t bytes) noexcept { end_ += bytes; }
  /// The next whole frame; its body is valid until the next call of space. Nothing: more bytes are needed, or broken().
  std::optional<Frame> next();
  /// The other end sent what is not a frame; nothing can be read any more.
  [[nodiscard]] bool broken() const noexcept { return broken_; }

 private:
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool broken_ = false;
};

/// A bytes field that is too long to travel inside the arguments.
struct LongField {
  std::uint16_t tag;
  std::string_view bytes;
};

/// Appends the struct as tags, lengths and values: a tag is the field's offset, with the top bit set for the fields of
/// a nested struct. `longFields`, if given, gets the bytes fields above kDataChunk instead.
void encodeStruct(const StructInfo& info, const void* value, std::string& body,
                  std::vector<LongField>* longFields = nullptr);

struct Decoded {
  void* value = nullptr;                   ///< as long as ours, zero where nothing came
  std::optional<std::int64_t> sourceHint;  ///< there is a source, of so many bytes
};
/// Reads a struct back; all it points to is memory of `arena`. Unknown tags are passed over. Nothing: malformed.
std::optional<Decoded> decodeStruct(const StructInfo& info, std::span<const std::byte> body,
                                    std::pmr::memory_resource& arena);

/// Bodies of frames that are not the ABI's structs.
struct HelloBody {
  std::uint32_t struct_size;
  std::uint32_t flags;
  std::uint32_t draft;
  std::uint32_t extendMeaning;
  std::int64_t present;
  csdk_str name;
  csdk_str version;
};
struct CompleteBody {
  std::uint32_t struct_size;
  std::uint32_t flags;
  std::int32_t status;
  std::uint32_t reserved;
  std::int64_t misbehaviour;  ///< counted in the process so far
};
extern const StructInfo kHelloBody, kCompleteBody;

inline constexpr std::uint16_t kOpenHttp = 1;

inline constexpr std::uint16_t kDeadlineTag = 0x7ffe;
void encodeNumber(std::uint16_t tag, std::int64_t value, std::string& body);
/// The value of a 64-bit field that belongs to no struct; 0 when it is not there.
std::int64_t findNumber(std::span<const std::byte> body, std::uint16_t tag) noexcept;
/// A body of one u64; nothing when it is not 8 bytes long.
std::optional<std::uint64_t> readCount(std::span<const std::byte> body) noexcept;
std::string encodeCount(std::uint64_t count);

inline std::string_view textOf(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace computesdk::registry::host

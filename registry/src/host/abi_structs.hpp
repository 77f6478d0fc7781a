#pragma once

#include <computesdk/plugin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <span>
#include <string_view>

// The ABI's structs described as data, so that copying, encoding and decoding are each written once.
namespace computesdk::registry::host {

enum class FieldKind : std::uint8_t { word, number, str, bytes, strs, pairs, options, ports, source, nested };

struct StructInfo;

/// `word` is any 32-bit field, `number` any 64-bit one. `nested` points to a struct described by `inner`.
struct Field {
  std::uint16_t offset;
  FieldKind kind;
  const StructInfo* inner = nullptr;
};

/// A struct that crosses by pointer. A target is two fields, its id and its token.
struct StructInfo {
  const char* name;
  std::uint32_t size;
  std::span<const Field> fields;  ///< all but struct_size and reserved ones
};

/// What a plug-in pushes, by the host function that it calls.
enum class ResultKind : std::uint16_t {
  sandbox,
  entry,
  url,
  process,
  snapshot,
  item,
  progress,
  exit,
  error,
  token,
  json
};
inline constexpr std::size_t kResultKinds = 11;

/// `token` and `json` travel as one string in these.
struct TokenResult {
  std::uint32_t struct_size;
  std::uint32_t flags;
  csdk_bytes token;
};
struct JsonResult {
  std::uint32_t struct_size;
  std::uint32_t flags;
  csdk_str json;
};

/// The description of what is pushed as `kind`.
const StructInfo& resultStruct(ResultKind kind) noexcept;

/// Descriptions of the operations' arguments.
extern const StructInfo kOpenArgs, kCreateArgs, kTargetArgs, kListArgs, kUrlArgs, kExecArgs, kFsArgs, kProcessStartArgs,
    kProcessArgs, kDialArgs, kSnapshotArgs, kTemplateArgs, kNamedArgs, kExtendArgs, kVendorCallArgs;

/// The other side's struct as ours: as many bytes as both know, the rest zero. `theirs` may be null: all zero.
template <typename T>
T readStruct(const T* theirs) noexcept {
  T ours{};
  if (theirs == nullptr) return ours;
  std::uint32_t size;
  std::memcpy(&size, theirs, sizeof size);
  std::memcpy(&ours, theirs, std::min<std::size_t>(size, sizeof(T)));
  ours.struct_size = sizeof(T);
  return ours;
}

/// A copy of `from` and of all it points to, in memory of `arena`. `source` pointers are kept as they are. `from` must
/// be as long as ours (readStruct).
void* deepCopy(const StructInfo& info, const void* from, std::pmr::memory_resource& arena);

/// What a struct that was read weighs in a queue: itself and its texts.
std::size_t payloadSize(const StructInfo& info, const void* value) noexcept;

template <typename T>
T* fieldOf(void* base, const Field& field) noexcept {
  return reinterpret_cast<T*>(static_cast<std::byte*>(base) + field.offset);
}
template <typename T>
const T* fieldOf(const void* base, const Field& field) noexcept {
  return reinterpret_cast<const T*>(static_cast<const std::byte*>(base) + field.offset);
}

inline csdk_str toStr(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline csdk_bytes toBytes(std::string_view bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}
/// A null pointer reads as empty whatever its size says.
inline std::string_view view(csdk_str text) noexcept {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
inline std::string_view view(csdk_bytes bytes) noexcept {
  return bytes.data == nullptr ? std::string_view{}
                               : std::string_view{reinterpret_cast<const char*>(bytes.data), bytes.size};
}

}  // namespace computesdk::registry::host

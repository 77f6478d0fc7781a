#include "wire.hpp"

#include <array>
#include <cstring>

namespace computesdk::registry::host {
namespace {

constexpr std::uint16_t kNestedBit = 0x8000;

/// In front of every value.
struct Tlv {
  std::uint16_t tag;
  std::uint16_t reserved;
  std::uint32_t size;
};
static_assert(sizeof(Tlv) == 8);

/// In front of the key and the value of an option.
struct OptionHead {
  std::uint32_t keySize;
  std::uint32_t kind;
  std::uint32_t flags;
  std::uint32_t reserved;
  std::int64_t i;
  double d;
};
static_assert(sizeof(OptionHead) == 32);

constexpr std::array kHelloFields = {
    Field{offsetof(HelloBody, draft), FieldKind::word}, Field{offsetof(HelloBody, extendMeaning), FieldKind::word},
    Field{offsetof(HelloBody, present), FieldKind::number}, Field{offsetof(HelloBody, name), FieldKind::str},
    Field{offsetof(HelloBody, version), FieldKind::str}};
constexpr std::array kCompleteFields = {Field{offsetof(CompleteBody, status), FieldKind::word},
                                        Field{offsetof(CompleteBody, misbehaviour), FieldKind::number}};

template <typename T>
std::string_view raw(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename T>
bool readRaw(std::span<const std::byte> from, T& value) noexcept {
  if (from.size() < sizeof value) return false;
  std::memcpy(&value, from.data(), sizeof value);
  return true;
}

void append(std::string& body, std::uint16_t tag, std::string_view first, std::string_view second = {},
            std::string_view third = {}) {
  const Tlv tlv{tag, 0, static_cast<std::uint32_t>(first.size() + second.size() + third.size())};
  body += raw(tlv);
  body += first;
  body += second;
  body += third;
}

void appendPair(std::string& body, std::uint16_t tag, const csdk_pair& pair) {
  const auto keySize = static_cast<std::uint32_t>(view(pair.key).size());
  append(body, tag, raw(keySize), view(pair.key), view(pair.value));
}

void appendOption(std::string& body, std::uint16_t tag, const csdk_option& option) {
  const OptionHead head{
      static_cast<std::uint32_t>(view(option.key).size()), option.kind, option.flags, 0, option.i, option.d};
  append(body, tag, raw(head), view(option.key), view(option.s));
}

template <typename List, typename Append>
void appendList(const List& list, Append appendOne) {
  for (std::size_t i = 0; list.items != nullptr && i < list.count; ++i) appendOne(list.items[i]);
}

/// One value found in a body.
struct Item {
  std::uint16_t tag;
  std::span<const std::byte> value;
};

/// Walks over the values of a body. `malformed` is set when a length leads outside.
class Items {
 public:
  explicit Items(std::span<const std::byte> body) : rest_(body) {}

  bool next(Item& item) noexcept {
    if (rest_.empty()) return false;
    Tlv tlv;
    if (!readRaw(rest_, tlv) || tlv.size > rest_.size() - sizeof tlv) {
      malformed = true;
      return false;
    }
    item = {tlv.tag, rest_.subspan(sizeof tlv, tlv.size)};
    rest_ = rest_.subspan(sizeof tlv + tlv.size);
    return true;
  }

  bool malformed = false;

 private:
  std::span<const std::byte> rest_;
};

/// Fills one struct, and the one nested in it, from a body that lies in the arena.
class Decoder {
 public:
  Decoder(const StructInfo& info, std::pmr::memory_resource& arena) : info_(info), arena_(arena) {}

  bool run(std::span<const std::byte> body, Decoded& decoded) {
    decoded.value = base_ = zeroed(info_.size);
    if (!prepare(body)) return false;
    Items items(body);
    Item item;
    while (items.next(item)) {
      void* base;
      const Field* field = fieldOfTag(item.tag, base);
      if (field != nullptr && !set(*field, base, item.value)) return false;
    }
    decoded.sourceHint = sourceHint_;
    return true;
  }

 private:
  void* zeroed(std::uint32_t size) {
    void* memory = arena_.allocate(size, alignof(std::max_align_t));
    std::memset(memory, 0, size);
    std::memcpy(memory, &size, sizeof size);
    return memory;
  }

  const Field* fieldOfTag(std::uint16_t tag, void*& base) const noexcept {
    const bool inNested = (tag & kNestedBit) != 0;
    if (inNested && nested_ == nullptr) return nullptr;
    base = inNested ? nested_ : base_;
    for (const Field& field : inNested ? nestedInfo_->fields : info_.fields) {
      if (field.offset == (tag & ~kNestedBit)) return &field;
    }
    return nullptr;
  }

  /// Counts the items of each list, so that each gets its array; makes the nested struct.
  bool prepare(std::span<const std::byte> body) {
    for (const Field& field : info_.fields) {
      if (field.kind == FieldKind::nested && contains(body, field.offset)) {
        nestedInfo_ = field.inner;
        nested_ = zeroed(field.inner->size);
        *fieldOf<const void*>(base_, field) = nested_;
      }
    }
    Items items(body);
    Item item;
    while (items.next(item)) {
      void* base;
      if (const Field* field = fieldOfTag(item.tag, base); field != nullptr && isList(field->kind)) {
        ++fieldOf<csdk_strs>(base, *field)->count;
      }
    }
    if (items.malformed) return false;
    allocateLists(info_, base_);
    if (nested_ != nullptr) allocateLists(*nestedInfo_, nested_);
    return true;
  }

  static bool contains(std::span<const std::byte> body, std::uint16_t tag) noexcept {
    Items items(body);
    Item item;
    while (items.next(item)) {
      if (item.tag == tag) return true;
    }
    return false;
  }

  static bool isList(FieldKind kind) noexcept {
    return kind == FieldKind::strs || kind == FieldKind::pairs || kind == FieldKind::options;
  }

  template <typename List, typename Leaf>
  void allocateList(void* base, const Field& field) {
    auto* list = fieldOf<List>(base, field);
    if (list->count != 0) {
      auto* items = arena_.allocate(list->count * sizeof(Leaf), alignof(Leaf));
      std::memset(items, 0, list->count * sizeof(Leaf));
      list->items = static_cast<const Leaf*>(items);
    }
    list->count = 0;  // counts up again while the items are read
  }

  void allocateLists(const StructInfo& info, void* base) {
    for (const Field& field : info.fields) {
      if (field.kind == FieldKind::strs) allocateList<csdk_strs, csdk_str>(base, field);
      if (field.kind == FieldKind::pairs) allocateList<csdk_pairs, csdk_pair>(base, field);
      if (field.kind == FieldKind::options) allocateList<csdk_options, csdk_option>(base, field);
    }
  }

  template <typename List, typename Leaf>
  static Leaf& nextOf(void* base, const Field& field) noexcept {
    auto* list = fieldOf<List>(base, field);
    return const_cast<Leaf*>(list->items)[list->count++];
  }

  static bool setPair(csdk_pair& pair, std::span<const std::byte> value) noexcept {
    std::uint32_t keySize;
    if (!readRaw(value, keySize) || keySize > value.size() - sizeof keySize) return false;
    pair.key = toStr(textOf(value.subspan(sizeof keySize, keySize)));
    pair.value = toStr(textOf(value.subspan(sizeof keySize + keySize)));
    return true;
  }

  static bool setOption(csdk_option& option, std::span<const std::byte> value) noexcept {
    OptionHead head;
    if (!readRaw(value, head) || head.keySize > value.size() - sizeof head) return false;
    option.key = toStr(textOf(value.subspan(sizeof head, head.keySize)));
    option.s = toBytes(textOf(value.subspan(sizeof head + head.keySize)));
    option.kind = head.kind;
    option.flags = head.flags;
    option.i = head.i;
    option.d = head.d;
    return true;
  }

  bool setPorts(csdk_ports& ports, std::span<const std::byte> value) {
    if (value.size() % sizeof(std::uint16_t) != 0) return false;
    if (value.empty()) return true;
    auto* items = static_cast<std::uint16_t*>(arena_.allocate(value.size(), alignof(std::uint16_t)));
    std::memcpy(items, value.data(), value.size());
    ports = {items, value.size() / sizeof(std::uint16_t)};
    return true;
  }

  bool set(const Field& field, void* base, std::span<const std::byte> value) {
    switch (field.kind) {
      case FieldKind::word: return value.size() == 4 && readRaw(value, *fieldOf<std::uint32_t>(base, field));
      case FieldKind::number: return value.size() == 8 && readRaw(value, *fieldOf<std::int64_t>(base, field));
      case FieldKind::str:
      case FieldKind::bytes: *fieldOf<csdk_str>(base, field) = toStr(textOf(value)); return true;
      case FieldKind::strs: nextOf<csdk_strs, csdk_str>(base, field) = toStr(textOf(value)); return true;
      case FieldKind::pairs: return setPair(nextOf<csdk_pairs, csdk_pair>(base, field), value);
      case FieldKind::options: return setOption(nextOf<csdk_options, csdk_option>(base, field), value);
      case FieldKind::ports: return setPorts(*fieldOf<csdk_ports>(base, field), value);
      case FieldKind::source: {
        std::int64_t hint;
        if (value.size() != 8 || !readRaw(value, hint)) return false;
        sourceHint_ = hint;
        return true;
      }
      case FieldKind::nested: return value.empty();
    }
    return false;
  }

  const StructInfo& info_;
  std::pmr::memory_resource& arena_;
  void* base_ = nullptr;
  const StructInfo* nestedInfo_ = nullptr;
  void* nested_ = nullptr;
  std::optional<std::int64_t> sourceHint_;
};

void encodeField(const Field& field, const void* value, std::uint16_t nestedBit, std::string& body,
                 std::vector<LongField>* longFields) {
  const auto tag = static_cast<std::uint16_t>(field.offset | nestedBit);
  switch (field.kind) {
    case FieldKind::word:
      if (const auto word = *fieldOf<std::uint32_t>(value, field); word != 0) append(body, tag, raw(word));
      return;
    case FieldKind::number:
      if (const auto number = *fieldOf<std::int64_t>(value, field); number != 0) append(body, tag, raw(number));
      return;
    case FieldKind::str:
    case FieldKind::bytes: {
      const std::string_view text = view(*fieldOf<csdk_str>(value, field));
      if (text.empty()) return;
      if (longFields != nullptr && field.kind == FieldKind::bytes && text.size() > kDataChunk) {
        longFields->push_back({tag, text});
      } else {
        append(body, tag, text);
      }
      return;
    }
    case FieldKind::strs:
      return appendList(*fieldOf<csdk_strs>(value, field), [&](csdk_str item) { append(body, tag, view(item)); });
    case FieldKind::pairs:
      return appendList(*fieldOf<csdk_pairs>(value, field),
                        [&](const csdk_pair& item) { appendPair(body, tag, item); });
    case FieldKind::options:
      return appendList(*fieldOf<csdk_options>(value, field),
                        [&](const csdk_option& item) { appendOption(body, tag, item); });
    case FieldKind::ports: {
      const auto* ports = fieldOf<csdk_ports>(value, field);
      if (ports->items == nullptr || ports->count == 0) return;
      append(body, tag, {reinterpret_cast<const char*>(ports->items), ports->count * sizeof(std::uint16_t)});
      return;
    }
    case FieldKind::source:
      if (const auto* source = *fieldOf<const csdk_source*>(value, field)) append(body, tag, raw(source->size_hint));
      return;
    case FieldKind::nested:
      if (const void* inner = *fieldOf<const void*>(value, field)) {
        append(body, tag, {});
        for (const Field& part : field.inner->fields) encodeField(part, inner, kNestedBit, body, longFields);
      }
      return;
  }
}

}  // namespace

constinit const StructInfo kHelloBody = {"HelloBody", sizeof(HelloBody), kHelloFields};
constinit const StructInfo kCompleteBody = {"CompleteBody", sizeof(CompleteBody), kCompleteFields};

std::string encodeFrame(FrameType type, std::uint16_t flags, std::uint64_t call, std::string_view body) {
  const FrameHeader header{static_cast<std::uint32_t>(body.size()), static_cast<std::uint16_t>(type), flags, call};
  std::string frame;
  frame.reserve(sizeof header + body.size());
  frame += raw(header);
  frame += body;
  return frame;
}

std::span<std::byte> FrameReader::space() {
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  FrameHeader header{};
  const std::size_t wanted = readRaw(std::span(buffer_).first(end_), header) ? sizeof header + header.size : 0;
  const std::size_t room = std::clamp(wanted, kDataChunk + sizeof header, kMaxFrame);
  if (buffer_.size() < room) buffer_.resize(room);
  return std::span(buffer_).subspan(end_);
}

std::optional<Frame> FrameReader::next() {
  if (broken_) return std::nullopt;
  const std::span<const std::byte> ready = std::span(buffer_).subspan(begin_, end_ - begin_);
  FrameHeader header;
  if (!readRaw(ready, header)) return std::nullopt;
  if (header.size > kMaxBody || header.type == 0 || header.type > kLastFrameType) {
    broken_ = true;
    return std::nullopt;
  }
  if (ready.size() - sizeof header < header.size) return std::nullopt;
  begin_ += sizeof header + header.size;
  return Frame{static_cast<FrameType>(header.type), header.flags, header.call,
               ready.subspan(sizeof header, header.size)};
}

void encodeStruct(const StructInfo& info, const void* value, std::string& body, std::vector<LongField>* longFields) {
  for (const Field& field : info.fields) encodeField(field, value, 0, body, longFields);
}

std::optional<Decoded> decodeStruct(const StructInfo& info, std::span<const std::byte> body,
                                    std::pmr::memory_resource& arena) {
  std::span<std::byte> copy;
  if (!body.empty()) {
    copy = {static_cast<std::byte*>(arena.allocate(body.size(), 1)), body.size()};
    std::memcpy(copy.data(), body.data(), body.size());
  }
  Decoded decoded;
  if (!Decoder(info, arena).run(copy, decoded)) return std::nullopt;
  return decoded;
}

void encodeNumber(std::uint16_t tag, std::int64_t value, std::string& body) { append(body, tag, raw(value)); }

std::int64_t findNumber(std::span<const std::byte> body, std::uint16_t tag) noexcept {
  Items items(body);
  Item item;
  std::int64_t value = 0;
  while (items.next(item)) {
    if (item.tag == tag && item.value.size() == sizeof value) readRaw(item.value, value);
  }
  return value;
}

std::optional<std::uint64_t> readCount(std::span<const std::byte> body) noexcept {
  std::uint64_t count;
  if (body.size() != sizeof count || !readRaw(body, count)) return std::nullopt;
  return count;
}

std::string encodeCount(std::uint64_t count) { return std::string(raw(count)); }

}  // namespace computesdk::registry::host

#include "served_call.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace computesdk::plugin_host {

using namespace registry::host;

namespace {
constexpr std::size_t kLongestFields = 2 * std::size_t{CSDK_INLINE_INPUT_MAX};
constexpr std::uint16_t kNestedBit = 0x8000;

/// The bytes field of a tag, in the struct or in the one nested in it.
csdk_bytes* bytesField(const StructInfo& info, void* args, std::uint16_t tag) {
  for (const Field& field : info.fields) {
    if ((tag & kNestedBit) != 0 && field.kind == FieldKind::nested) {
      void* inner = const_cast<void*>(*fieldOf<const void*>(args, field));
      return inner == nullptr ? nullptr : bytesField(*field.inner, inner, tag & ~kNestedBit);
    }
    if (field.offset == tag && field.kind == FieldKind::bytes) return fieldOf<csdk_bytes>(args, field);
  }
  return nullptr;
}
}  // namespace

bool ServedCall::addArgument(std::uint16_t tag, std::string_view bytes) {
  longBytes_ += bytes.size();
  if (longBytes_ > kLongestFields) return false;
  longFields_[tag] += bytes;
  return true;
}

bool ServedCall::decode(Op op, std::span<const std::byte> body) {
  op_ = op;
  const StructInfo& info = *opInfo(op).args;
  const auto decoded = decodeStruct(info, body, memory_);
  if (!decoded) return false;
  args_ = decoded->value;
  deadlineNs_ = findNumber(body, kDeadlineTag);
  hasSource_ = decoded->sourceHint.has_value();
  sizeHint_ = decoded->sourceHint.value_or(-1);
  for (const auto& [tag, bytes] : longFields_) {
    csdk_bytes* field = bytesField(info, args_, tag);
    if (field == nullptr) return false;
    *field = toBytes(std::string_view(bytes));
  }
  // Both take what they need from the struct that is nested in them.
  if (op == Op::processStart) return static_cast<const csdk_process_start_args*>(args_)->exec != nullptr;
  return true;
}

void ServedCall::cancel() {
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  credited_.notify_all();
  stop_.request_stop();
}

void ServedCall::addCredit(std::uint64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    credit_ = std::min(credit_ + static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, kMaxFrame)), kOutputWindow);
  }
  credited_.notify_all();
}

bool ServedCall::takeCredit(std::size_t bytes) {
  std::unique_lock lock(mutex_);
  credited_.wait(lock, [this] { return credit_ > 0 || cancelled_; });
  credit_ -= static_cast<std::int64_t>(bytes);
  return !cancelled_;
}

void ServedCall::output(std::uint32_t stream, std::span<const std::byte> data) {
  do {
    const auto chunk = data.first(std::min(data.size(), kDataChunk));
    if (!takeCredit(chunk.size())) return;
    channel_.send(FrameType::output, static_cast<std::uint16_t>(stream), call_, textOf(chunk));
    data = data.subspan(chunk.size());
  } while (!data.empty());
}

csdk_status ServedCall::result(ResultKind kind, const void* value) {
  const StructInfo& info = resultStruct(kind);
  std::string body;
  encodeStruct(info, value, body);
  if (body.size() > kMaxBody) return CSDK_OUT_OF_RANGE;
  // The result of a create that was cancelled half-way still tells the host what there is.
  const bool wanted = takeCredit(payloadSize(info, value));
  if (!wanted && kind != ResultKind::sandbox && kind != ResultKind::exit) return CSDK_CANCELLED;
  channel_.send(FrameType::result, static_cast<std::uint16_t>(kind), call_, body);
  return wanted ? CSDK_OK : CSDK_CANCELLED;
}

void ServedCall::addInput(std::string_view bytes) {
  {
    std::lock_guard lock(mutex_);
    input_ += bytes;
  }
  ready();
}

void ServedCall::endInput() {
  {
    std::lock_guard lock(mutex_);
    inputEnded_ = true;
  }
  ready();
}

void ServedCall::ready() {
  std::function<void()> ready;
  {
    std::lock_guard lock(mutex_);
    ready = std::exchange(ready_, nullptr);
  }
  if (ready) ready();
}

registry::InputSource::State ServedCall::read(std::span<std::byte> buffer, std::size_t& size) {
  {
    std::lock_guard lock(mutex_);
    const std::size_t there = input_.size() - inputRead_;
    if (there == 0) return inputEnded_ ? State::end : State::again;
    size = std::min(there, buffer.size());
    std::memcpy(buffer.data(), input_.data() + inputRead_, size);
    inputRead_ += size;
    if (inputRead_ == input_.size()) {
      input_.clear();
      inputRead_ = 0;
    }
  }
  channel_.send(FrameType::inputCredit, 0, call_, encodeCount(size));
  return State::data;
}

void ServedCall::onReadable(std::function<void()> ready) {
  {
    std::lock_guard lock(mutex_);
    if (input_.size() == inputRead_ && !inputEnded_) {
      ready_ = std::move(ready);
      return;
    }
  }
  ready();
}

}  // namespace computesdk::plugin_host

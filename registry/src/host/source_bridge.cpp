#include "source_bridge.hpp"

namespace computesdk::registry::host {
namespace {

csdk_status readSource(const csdk_source* source, std::uint8_t* buffer, std::size_t capacity, std::size_t* outSize) {
  const auto& bridge = *static_cast<const SourceBridge*>(source->ctx);
  if (outSize == nullptr || (buffer == nullptr && capacity != 0)) return CSDK_INVALID_ARGUMENT;
  *outSize = 0;
  CallPin pin(bridge.call, bridge.host);
  if (!pin || pin->cancelled()) return CSDK_CANCELLED;
  try {
    switch (bridge.input->read({reinterpret_cast<std::byte*>(buffer), capacity}, *outSize)) {
      case InputSource::State::data: return CSDK_OK;
      case InputSource::State::again: return CSDK_AGAIN;
      case InputSource::State::end: return CSDK_EOF;
    }
  } catch (...) {
    pin->keepException(std::current_exception());
  }
  return CSDK_CANCELLED;
}

csdk_status onReadable(const csdk_source* source, csdk_notify_fn fn, void* ctx) {
  const auto& bridge = *static_cast<const SourceBridge*>(source->ctx);
  CallPin pin(bridge.call, bridge.host);
  if (!pin) return CSDK_CANCELLED;
  pin->onReadable(fn, ctx);
  if (fn == nullptr) return CSDK_OK;
  try {
    bridge.input->onReadable([call = bridge.call] {
      CallPin ready(call, nullptr);
      if (ready) ready->runReadable();
    });
  } catch (...) {
    pin->keepException(std::current_exception());
    return CSDK_CANCELLED;
  }
  return CSDK_OK;
}

}  // namespace

void connect(SourceBridge& bridge, csdk_call call, const HostContext& host, InputSource& input) {
  bridge = {{sizeof(csdk_source), 0, &bridge, input.sizeHint(), &readSource, &onReadable}, call, &host, &input};
}

}  // namespace computesdk::registry::host

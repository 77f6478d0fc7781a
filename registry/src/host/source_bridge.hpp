#pragma once

#include "call.hpp"

namespace computesdk::registry::host {

/// A csdk_source over the caller's InputSource. Trivially destructible, so that it can live in a call's memory.
struct SourceBridge {
  csdk_source source;
  csdk_call call;
  const HostContext* host;
  InputSource* input;
};

/// Makes `bridge` ready for a call that has begun.
void connect(SourceBridge& bridge, csdk_call call, const HostContext& host, InputSource& input);

}  // namespace computesdk::registry::host

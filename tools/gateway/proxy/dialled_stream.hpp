#pragma once

#include <computesdk/serving/byte_stream.hpp>

#include <cstdint>
#include <memory>

namespace computesdk::detail {
class SandboxState;
}

namespace computesdk::gateway {

/// A stream to a port that the sandbox's provider carries, as a stream of the loop. The port is held back while nobody
/// reads; what is written waits in memory up to a bound. `handler` runs on the loop's thread once it stands.
void dialSandbox(serving::Loop& loop, std::shared_ptr<detail::SandboxState> sandbox, std::uint16_t port,
                 serving::DialHandler handler);

}  // namespace computesdk::gateway

#include "handshake.hpp"

#include "futex.hpp"
#include "library.hpp"
#include "values/text.hpp"

#include <poll.h>

#include <algorithm>
#include <memory_resource>

namespace computesdk::registry {
namespace host {
namespace {

ErrorInfo notTheProtocol(RemoteLink& link, const Manifest& manifest) {
  link.end();
  return loadError(manifest, "its process did not speak the protocol of this host",
                   "install the computesdk-plugin-host that belongs to this version");
}

/// Waits for the socket or the error pipe; false at the deadline.
bool pollLink(RemoteLink& link, std::int64_t deadlineNs) {
  const std::int64_t leftMs = (deadlineNs - monotonicNs()) / 1'000'000;
  if (leftMs <= 0) return false;
  pollfd fds[2] = {{link.child().socket(), POLLIN, 0}, {link.child().errorPipe(), POLLIN, 0}};
  if (link.hasOutput()) fds[0].events |= POLLOUT;
  ::poll(fds, 2, static_cast<int>(std::min<std::int64_t>(leftMs, 60'000)));
  return true;
}

}  // namespace

ErrorInfo diedWhileLoading(RemoteLink& link, const Manifest& manifest) {
  const std::string how = link.end();
  std::string why = "its process " + how + " while loading it";
  if (const std::string last = link.lastErrors(); !last.empty()) why += "; it last wrote: " + printable(last, 1024);
  return loadError(manifest, std::move(why), "report it to the author of the provider");
}

Result<Frame> awaitFrame(RemoteLink& link, const Manifest& manifest, std::int64_t deadlineNs, const RemoteLog& log) {
  for (;;) {
    while (auto frame = link.next()) {
      if (frame->type != FrameType::log) return *frame;
      if (log) log(frame->flags, textOf(frame->body));
    }
    if (link.broken()) return notTheProtocol(link, manifest);
    if (!pollLink(link, deadlineNs)) {
      link.end();
      return loadError(manifest, "loading it took too long", "report it to the author of the provider");
    }
    link.readErrors();
    link.flush();
    if (link.read() == RemoteLink::Read::ended) return diedWhileLoading(link, manifest);
  }
}

Result<RemoteHello> awaitHello(RemoteLink& link, const Manifest& manifest, std::int64_t deadlineNs,
                               const RemoteLog& log) {
  auto frame = awaitFrame(link, manifest, deadlineNs, log);
  if (!frame) return std::move(frame).error();
  if (frame->type == FrameType::refused) {
    std::string why = printable(textOf(frame->body), 1024);
    link.end();
    return linkError(manifest, std::move(why));
  }
  if (frame->type != FrameType::hello) return notTheProtocol(link, manifest);
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kHelloBody, frame->body, memory);
  if (!decoded) return notTheProtocol(link, manifest);
  const auto& hello = *static_cast<const HelloBody*>(decoded->value);
  if (hello.draft != CSDK_ABI_DRAFT) return notTheProtocol(link, manifest);
  return RemoteHello{static_cast<std::uint64_t>(hello.present), hello.extendMeaning};
}

}  // namespace host

Result<void> probeLibrary(const Manifest& manifest, const LibraryFile& library, const HostHooks& hooks) {
  using namespace host;
  auto program = hooks.pluginHost.empty() ? findPluginHost() : Result<std::filesystem::path>(hooks.pluginHost);
  if (!program) return std::move(program).error();
  auto child = ChildProcess::start(*program, manifest, library);
  if (!child) return std::move(child).error();
  RemoteLink link(std::move(*child));
  auto hello = awaitHello(link, manifest, monotonicNs() + kProbeLimitNs, {});
  if (!hello) return std::move(hello).error();
  link.end();
  return {};
}

}  // namespace computesdk::registry

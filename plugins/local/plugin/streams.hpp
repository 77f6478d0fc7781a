// Streams between the host of the plug-in and the engine: input that is pulled, output that is pushed, a port's two
// directions.
#pragma once

#include <computesdk/provider.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "engine/sandbox.hpp"
#include "engine/types.hpp"

namespace computesdk::local {

// The call's input as the engine pulls it. The engine's wake function is held until the next one or the end.
class CallInput : public InputSource {
 public:
  explicit CallInput(plugin::Input input) : input_(input) {}
  Read read(std::span<std::byte> into) override;
  void whenReadable(std::function<void()> wake) override;

 private:
  plugin::Input input_;
  std::optional<plugin::Input::ReadableGuard<std::function<void()>>> registered_;
};

// The call's input for a file, read on the calling thread; waits where nothing is there yet.
class BlockingInput {
 public:
  explicit BlockingInput(plugin::Input input) : input_(input) {}
  // Bytes put into `into`, 0 at the end; kCancelled when the call is.
  Result<std::size_t> fill(std::span<std::byte> into);

 private:
  plugin::Input input_;
};

// Pushes bytes to the call; false once the host wants no more.
bool pushOutput(const plugin::Call& call, std::uint32_t stream, std::span<const std::byte> bytes);

// Ends what runs in the engine when the call is cancelled.
class CancelLink {
 public:
  explicit CancelLink(const plugin::Call& call) : guard_(call.onCancel(Fire{&canceller_})) {}
  Canceller& canceller() { return canceller_; }

 private:
  struct Fire {
    Canceller* canceller;
    void operator()() const { canceller->cancel(); }
  };
  Canceller canceller_;
  plugin::CancelGuard<Fire> guard_;
};

// Streams a background command's kept and, with `toItsEnd`, coming output, and pushes its exit. `offset` as in
// csdk_process_args.
void followProcess(const plugin::Call& call, Process& process, std::int64_t offset, bool toItsEnd);

// Carries bytes between the call and a connected socket until both directions ended or the call is cancelled.
void carryPort(const plugin::Call& call, plugin::Input input, UniqueFd socket);

}  // namespace computesdk::local

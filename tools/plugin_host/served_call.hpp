#pragma once

#include "channel.hpp"

#include "host/call.hpp"
#include "host/operations.hpp"

#include <computesdk/registry/provider.hpp>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

namespace computesdk::plugin_host {

/// One call of the host, run here: sends what the plug-in pushes as far as there is credit, and holds the input that
/// has come. Thread-safe.
class ServedCall final : public registry::host::CallSink, public registry::InputSource {
 public:
  ServedCall(Channel& channel, std::uint64_t call) : channel_(channel), call_(call) {}

  /// A piece of a long field. False when there is too much of it.
  bool addArgument(std::uint16_t tag, std::string_view bytes);
  /// Reads the arguments. False when they are malformed.
  bool decode(registry::host::Op op, std::span<const std::byte> body);

  [[nodiscard]] registry::host::Op op() const noexcept { return op_; }
  [[nodiscard]] void* args() const noexcept { return args_; }
  [[nodiscard]] std::int64_t deadlineNs() const noexcept { return deadlineNs_; }
  [[nodiscard]] registry::InputSource* input() noexcept { return hasSource_ ? this : nullptr; }
  [[nodiscard]] std::stop_token stopToken() const noexcept { return stop_.get_token(); }

  void cancel();
  void addCredit(std::uint64_t bytes);
  void addInput(std::string_view bytes);
  void endInput();

  // CallSink
  void output(std::uint32_t stream, std::span<const std::byte> data) override;
  csdk_status result(registry::host::ResultKind kind, const void* value) override;
  [[nodiscard]] std::uint64_t tag() const noexcept override { return call_; }

  // InputSource
  [[nodiscard]] std::int64_t sizeHint() const override { return sizeHint_; }
  State read(std::span<std::byte> buffer, std::size_t& size) override;
  void onReadable(std::function<void()> ready) override;

 private:
  bool takeCredit(std::size_t bytes);
  void ready();

  Channel& channel_;
  const std::uint64_t call_;
  registry::host::Op op_ = registry::host::Op::open;
  std::pmr::monotonic_buffer_resource memory_{2048};
  std::map<std::uint16_t, std::string> longFields_;
  std::size_t longBytes_ = 0;
  void* args_ = nullptr;
  std::int64_t deadlineNs_ = 0;
  bool hasSource_ = false;
  std::int64_t sizeHint_ = -1;
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable credited_;
  std::int64_t credit_ = registry::host::kOutputWindow;
  bool cancelled_ = false;
  std::string input_;
  std::size_t inputRead_ = 0;
  bool inputEnded_ = false;
  std::function<void()> ready_;
};

}  // namespace computesdk::plugin_host

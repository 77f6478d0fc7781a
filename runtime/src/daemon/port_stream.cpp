#include "daemon/port_stream.hpp"

#include <computesdk/sandbox.hpp>

#include "core/errors.hpp"

#include <pthread.h>

#include <optional>
#include <system_error>

namespace computesdk {
namespace detail {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

PortStreamState::PortStreamState(std::shared_ptr<SandboxState> sandbox, DialOptions options)
    : sandbox_(std::move(sandbox)), options_(std::move(options)) {}

Result<void> PortStreamState::start() {
  running_ = true;
  try {
    std::thread thread([self = shared_from_this()] { self->carry(); });
    thread.detach();
  } catch (const std::system_error& e) {
    running_ = false;
    closed_ = true;
    ErrorInfo error;
    error.code = ErrorCode::resourceExhausted;
    error.what = "cannot dial port " + std::to_string(options_.port);
    error.why = std::string("no thread can be made for it: ") + e.what();
    return error;
  }
  return {};
}

std::optional<ErrorInfo> PortStreamState::dial() {
  const registry::OutputFunction output = [this](OutputStream stream, std::span<const std::byte> bytes) {
    if (stop_.stop_requested()) return;
    if (stream == OutputStream::end) {
      if (options_.onEnd) options_.onEnd();
    } else if (bytes.empty()) {
      if (options_.onOpen) options_.onOpen();
    } else if (options_.onBytes) {
      options_.onBytes(bytes);
    }
  };
  try {
    auto dialled = sandbox_->call(stop_.get_token(), std::nullopt,
                                  [&](const registry::Target& target, const registry::CallContext& context) {
                                    return sandbox_->provider().dial(target, options_.port, queue_, output, context);
                                  });
    if (dialled || closing_.load(std::memory_order_acquire)) return std::nullopt;
    return std::move(dialled).error();
  } catch (const std::exception& e) {
    ErrorInfo error = cancelled("the stream to port " + std::to_string(options_.port) + " was ended");
    error.why = std::string("a function that takes its bytes threw: ") + e.what();
    return error;
  } catch (...) {
    ErrorInfo error = cancelled("the stream to port " + std::to_string(options_.port) + " was ended");
    error.why = "a function that takes its bytes threw";
    return error;
  }
}

void PortStreamState::carry() noexcept {
  ::pthread_setname_np(::pthread_self(), "cs-port");
  {
    std::lock_guard lock(mutex_);
    thread_ = std::this_thread::get_id();
  }
  try {
    std::optional<std::stop_callback<std::function<void()>>> userStop;
    if (options_.stop.stop_possible()) userStop.emplace(options_.stop, [this] { stop_.request_stop(); });
    const std::optional<ErrorInfo> error = dial();
    userStop.reset();
    queue_.close();
    closed_.store(true, std::memory_order_release);
    if (options_.onClosed) options_.onClosed(error ? &*error : nullptr);
  } catch (...) {  // what the last function throws has nobody to go to
    queue_.close();
    closed_.store(true, std::memory_order_release);
  }
  auto sandbox = std::exchange(sandbox_, nullptr);
  {
    std::lock_guard lock(mutex_);
    running_ = false;
    // Under the lock: who waits may destroy what this thread's functions use as soon as it is let go.
    finished_.notify_all();
  }
}

Result<void> PortStreamState::write(std::span<const std::byte> bytes, const std::stop_token& stop) {
  const std::string what = "cannot write to port " + std::to_string(options_.port);
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPiece));
    if (!queue_.push(piece, stop)) {
      if (stop.stop_requested()) return cancelled(what);
      ErrorInfo error;
      error.what = what;
      error.code = closed() ? ErrorCode::network : ErrorCode::precondition;
      error.why = closed() ? "the stream has ended" : "this end was closed for writing";
      return error;
    }
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

void PortStreamState::close() noexcept {
  closing_.store(true, std::memory_order_release);
  stop_.request_stop();
  queue_.close();
  std::unique_lock lock(mutex_);
  if (thread_ == std::this_thread::get_id()) return;
  finished_.wait(lock, [&] { return !running_; });
}

Result<std::shared_ptr<PortStreamState>> dialPort(std::shared_ptr<SandboxState> sandbox, DialOptions options) {
  if (options.port == 0) {
    return invalidArgument("cannot dial a port of the sandbox", "0 is not a port", "give a port from 1 to 65535");
  }
  if (!sandbox->features().port) {
    return methodUnsupported(sandbox->provider().name(), "dialPort", "it carries no streams into its sandboxes");
  }
  auto stream = std::make_shared<PortStreamState>(std::move(sandbox), std::move(options));
  if (auto started = stream->start(); !started) return std::move(started).error();
  return stream;
}

}  // namespace detail

PortStream::PortStream(std::shared_ptr<detail::PortStreamState> state) noexcept : state_(std::move(state)) {}
PortStream::PortStream(PortStream&&) noexcept = default;
PortStream& PortStream::operator=(PortStream&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
PortStream::~PortStream() { close(); }

Result<void> PortStream::write(Nothrow, std::span<const std::byte> bytes, std::stop_token stop) {
  return state_->write(bytes, stop);
}
void PortStream::closeWrite() noexcept { state_->closeWrite(); }
void PortStream::close() noexcept {
  if (state_) state_->close();
}
bool PortStream::closed() const noexcept { return state_->closed(); }

Result<PortStream> Sandbox::dialPort(Nothrow, DialOptions options) {
  auto stream = detail::dialPort(state_, std::move(options));
  if (!stream) return std::move(stream).error();
  return PortStream(std::move(*stream));
}

}  // namespace computesdk

#include "loop_core.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace computesdk::serving {

namespace asio = boost::asio;
using boost::system::error_code;

// Timer -------------------------------------------------------------------------------------------------------------

struct Timer::State : std::enable_shared_from_this<Timer::State> {
  State(asio::io_context& context, std::chrono::milliseconds pause, bool again, std::function<void()> what)
      : io(context), timer(context), delay(pause), repeats(again), work(std::move(what)) {}

  void arm(std::chrono::steady_clock::time_point at) {
    timer.expires_at(at);
    timer.async_wait([self = shared_from_this(), at](error_code error) { self->fired(error, at); });
  }
  void fired(error_code error, std::chrono::steady_clock::time_point at) {
    if (error || cancelled.load()) {
      work = nullptr;
      return;
    }
    if (repeats) {
      work();
      if (!cancelled.load()) return arm(std::max(at + delay, std::chrono::steady_clock::now()));
      work = nullptr;
    } else {
      // What the function holds goes with it, even if the handle stays.
      std::exchange(work, nullptr)();
    }
  }

  asio::io_context& io;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                             asio::io_context::executor_type>
      timer;
  std::chrono::milliseconds delay;
  bool repeats;
  std::function<void()> work;
  std::atomic<bool> cancelled{false};
};

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Timer::cancel() noexcept {
  if (!state_) return;
  state_->cancelled.store(true);
  asio::io_context& io = state_->io;
  asio::dispatch(io, [state = std::move(state_)] { state->timer.cancel(); });
}

// Watch -------------------------------------------------------------------------------------------------------------

struct Watch::State {
  explicit State(asio::io_context& io) : descriptor(io) {}
  ~State() { release(); }

  void release() noexcept {
    // The descriptor itself is the caller's.
    if (descriptor.is_open()) descriptor.release();
  }
  static void await(const std::shared_ptr<State>& state, asio::posix::descriptor_base::wait_type type,
                    std::function<void()> ready) {
    state->descriptor.async_wait(type, [state, ready = std::move(ready)](error_code) {
      if (state->descriptor.is_open()) ready();
    });
  }

  asio::posix::basic_stream_descriptor<asio::io_context::executor_type> descriptor;
};

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    stop();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Watch::readable(std::function<void()> ready) {
  if (state_) State::await(state_, asio::posix::descriptor_base::wait_read, std::move(ready));
}

void Watch::writable(std::function<void()> ready) {
  if (state_) State::await(state_, asio::posix::descriptor_base::wait_write, std::move(ready));
}

void Watch::stop() noexcept {
  if (state_) std::exchange(state_, nullptr)->release();
}

// Loop --------------------------------------------------------------------------------------------------------------

Loop::Loop() : core_(std::make_unique<Core>()) {}

Loop::~Loop() { stop(); }

void Loop::start() {
  core_->thread = std::thread([this] { run(); });
  // run() says the same, but perhaps only after somebody has asked.
  core_->owner.store(core_->thread.get_id());
}

void Loop::run() {
  core_->owner.store(std::this_thread::get_id());
  core_->io.run();
}

void Loop::stop() {
  core_->io.stop();
  if (core_->thread.joinable() && core_->thread.get_id() != std::this_thread::get_id()) core_->thread.join();
}

bool Loop::onThread() const noexcept {
  return core_->owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

bool Loop::running() const noexcept { return core_->owner.load() != std::thread::id() && !core_->io.stopped(); }

void Loop::post(std::function<void()> work) { asio::post(core_->io, std::move(work)); }

void Loop::dispatch(std::function<void()> work) {
  if (onThread()) {
    work();
  } else {
    post(std::move(work));
  }
}

namespace {

std::shared_ptr<Timer::State> setTimer(Loop& loop, asio::io_context& io, std::chrono::milliseconds delay, bool repeats,
                                       std::function<void()> work) {
  auto state = std::make_shared<Timer::State>(io, delay, repeats, std::move(work));
  const auto at = std::chrono::steady_clock::now() + delay;
  loop.dispatch([state, at] {
    if (!state->cancelled.load()) state->arm(at);
  });
  return state;
}

}  // namespace

Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> work) {
  return Timer(setTimer(*this, core_->io, delay, false, std::move(work)));
}

Timer Loop::every(std::chrono::milliseconds period, std::function<void()> work) {
  return Timer(setTimer(*this, core_->io, period, true, std::move(work)));
}

Watch Loop::watch(int descriptor) {
  auto state = std::make_shared<Watch::State>(core_->io);
  error_code error;
  state->descriptor.assign(descriptor, error);
  if (error) {
    errno = error.value();
    return {};
  }
  return Watch(std::move(state));
}

}  // namespace computesdk::serving

#include "daemon/message_socket.hpp"

#include "core/errors.hpp"
#include "daemon/json.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

namespace computesdk::detail {
namespace {

constexpr int kAttempts = 5;
constexpr std::size_t kMaxWaiting = std::size_t{8} << 20;  ///< bytes of messages; then the other end is held back

std::string channelMessage(std::string_view type, const std::string& channel) {
  JsonText text;
  text.beginObject().member("type", type).member("channel", channel).endObject();
  return text.take();
}

}  // namespace

struct MessageSocket::Shared {
  Open open, again;
  std::function<void(std::string)> warn;
  std::chrono::milliseconds pause{0};

  struct Subscription {
    std::string channel;
    std::shared_ptr<const Handler> handler;
  };
  struct Incoming {
    std::uint64_t connection = 0;
    std::optional<std::string> text;  ///< nothing: it has closed
  };

  std::mutex connecting;  ///< held while a connection is made
  std::mutex mutex;       ///< guards all below
  std::condition_variable_any changed;
  std::map<std::uint64_t, Subscription> subscriptions;
  std::uint64_t lastId = 0;
  std::deque<Incoming> incoming;
  std::size_t waiting = 0;
  std::shared_ptr<Socket> socket;    ///< null: not connected
  std::uint64_t connection = 0;      ///< number of the current one
  std::uint64_t runningHandler = 0;  ///< id of the subscription
  std::thread::id runner;
  std::stop_source stop;
  bool closing = false;

  SocketEvents events(std::uint64_t number, const std::shared_ptr<Shared>& self) {
    SocketEvents events;
    events.onText = [self, number](std::string_view text) { self->push({number, std::string(text)}); };
    events.onClosed = [self, number](const std::string&) { self->push({number, std::nullopt}); };
    return events;
  }

  void push(Incoming message) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return closing || message.connection != connection || waiting < kMaxWaiting; });
    if (closing || message.connection != connection) return;
    if (message.text) waiting += message.text->size();
    incoming.push_back(std::move(message));
    changed.notify_all();
  }

  /// The channels that somebody listens to. With the mutex.
  [[nodiscard]] std::set<std::string> channels() const {
    std::set<std::string> all;
    for (const auto& [id, one] : subscriptions) all.insert(one.channel);
    return all;
  }

  /// Opens a connection by `how`, if there is none, and asks for all channels again.
  Result<void> connect(const Open& how, const std::shared_ptr<Shared>& self, const std::stop_token& token) {
    std::lock_guard one(connecting);
    std::uint64_t number = 0;
    {
      std::lock_guard lock(mutex);
      if (closing) return cancelled("cannot speak to the sandbox's daemon");
      if (socket) return {};
      number = ++connection;
    }
    auto opened = how(events(number, self), token);
    if (!opened) return std::move(opened).error();
    std::shared_ptr<Socket> fresh = std::move(*opened);
    std::set<std::string> wanted;
    {
      std::lock_guard lock(mutex);
      if (closing) return cancelled("cannot speak to the sandbox's daemon");
      socket = fresh;
      wanted = channels();
    }
    for (const std::string& channel : wanted) fresh->send(channelMessage("subscribe", channel));
    return {};
  }

  void reconnect(const std::shared_ptr<Shared>& self) {
    std::string why;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      {
        std::unique_lock lock(mutex);
        if (subscriptions.empty()) return;  // the next one to need it opens it
        if (changed.wait_for(lock, pause, [&] { return closing; })) return;
      }
      auto connected = connect(again, self, stop.get_token());
      if (connected) return;
      why = connected.error().firstLine();
    }
    if (stop.stop_requested()) return;
    warn("the connection to the sandbox's daemon is lost: " + why);
    handle({}, kLost, JsonView());
  }

  /// Runs the handlers of a channel; of all channels when it is nothing.
  void handle(const std::optional<std::string_view>& channel, std::string_view type, const JsonView& data) {
    std::unique_lock lock(mutex);
    std::vector<std::uint64_t> ids;
    for (const auto& [id, one] : subscriptions) {
      if (!channel || one.channel == *channel) ids.push_back(id);
    }
    for (const std::uint64_t id : ids) {
      const auto found = subscriptions.find(id);
      if (found == subscriptions.end() || closing) continue;
      const std::shared_ptr<const Handler> handler = found->second.handler;
      runningHandler = id;
      lock.unlock();
      try {
        (*handler)(type, data);
      } catch (const std::exception& e) {
        warn(std::string("a handler of the sandbox's events threw: ") + e.what());
      } catch (...) {
        warn("a handler of the sandbox's events threw");
      }
      lock.lock();
      runningHandler = 0;
      changed.notify_all();
    }
  }

  void take(const std::string& text) {
    auto message = JsonDocument::parse(text);
    if (!message || !message->root().isObject()) return;  // what is no message is nobody's
    const JsonView root = message->root();
    handle(root["channel"].text(), root["type"].text(), root["data"]);
  }
};

MessageSocket::MessageSocket(Open open, Open again, std::function<void(std::string)> warn,
                             std::chrono::milliseconds pause)
    : shared_(std::make_shared<Shared>()) {
  shared_->open = std::move(open);
  shared_->again = std::move(again);
  shared_->warn = std::move(warn);
  shared_->pause = pause;
}

MessageSocket::~MessageSocket() { close(); }

void MessageSocket::run(const std::shared_ptr<Shared>& shared) {
  ::pthread_setname_np(::pthread_self(), "cs-events");
  std::unique_lock lock(shared->mutex);
  shared->runner = std::this_thread::get_id();
  for (;;) {
    shared->changed.wait(lock, [&] { return shared->closing || !shared->incoming.empty(); });
    if (shared->closing) return;
    Shared::Incoming message = std::move(shared->incoming.front());
    shared->incoming.pop_front();
    if (message.connection != shared->connection) {
      if (message.text) shared->waiting -= message.text->size();
      continue;
    }
    std::shared_ptr<Socket> socket = shared->socket;
    if (!message.text) shared->socket.reset();
    lock.unlock();
    if (message.text) {
      shared->take(*message.text);
      if (socket) socket->consumed(message.text->size());
    } else {
      socket.reset();
      shared->reconnect(shared);
    }
    socket.reset();
    lock.lock();
    if (message.text) shared->waiting -= message.text->size();
    shared->changed.notify_all();
  }
}

Result<void> MessageSocket::connect(const std::stop_token& stop) {
  {
    std::lock_guard lock(starting_);
    try {
      std::unique_lock state(shared_->mutex);
      if (shared_->closing) return cancelled("cannot speak to the sandbox's daemon");
      state.unlock();
      if (!thread_.joinable()) thread_ = std::thread([shared = shared_] { run(shared); });
    } catch (const std::system_error& e) {
      ErrorInfo error;
      error.code = ErrorCode::resourceExhausted;
      error.what = "cannot speak to the sandbox's daemon";
      error.why = std::string("no thread can be made for its events: ") + e.what();
      return error;
    }
  }
  return shared_->connect(shared_->open, shared_, stop);
}

Result<std::uint64_t> MessageSocket::subscribe(const std::string& channel, Handler handler,
                                               const std::stop_token& stop) {
  std::uint64_t id = 0;
  std::shared_ptr<Socket> socket;
  bool isFirst = false;
  {
    std::lock_guard lock(shared_->mutex);
    isFirst = !shared_->channels().contains(channel);
    id = ++shared_->lastId;
    shared_->subscriptions[id] = {channel, std::make_shared<const Handler>(std::move(handler))};
    socket = shared_->socket;
  }
  if (socket) {
    // Where it is just breaking, reconnecting asks for all channels.
    if (isFirst) socket->send(channelMessage("subscribe", channel));
    return id;
  }
  if (auto connected = connect(stop); !connected) {
    unsubscribe(id);
    return std::move(connected).error();
  }
  return id;
}

void MessageSocket::unsubscribe(std::uint64_t id) noexcept {
  try {
    std::shared_ptr<Socket> socket;
    std::string channel;
    {
      std::unique_lock lock(shared_->mutex);
      const auto found = shared_->subscriptions.find(id);
      if (found != shared_->subscriptions.end()) {
        channel = found->second.channel;
        shared_->subscriptions.erase(found);
        if (!shared_->channels().contains(channel)) socket = shared_->socket;
      }
      if (shared_->runner != std::this_thread::get_id()) {
        shared_->changed.wait(lock, [&] { return shared_->runningHandler != id; });
      }
    }
    if (socket) socket->send(channelMessage("unsubscribe", channel));
  } catch (...) {  // no memory: the connection's end unsubscribes too
  }
}

Result<void> MessageSocket::send(const std::string& text, const std::stop_token& stop) {
  if (auto connected = connect(stop); !connected) return connected;
  std::shared_ptr<Socket> socket;
  {
    std::lock_guard lock(shared_->mutex);
    socket = shared_->socket;
  }
  if (socket && socket->send(text)) return {};
  ErrorInfo error;
  error.code = ErrorCode::network;
  error.what = "cannot send to the sandbox's daemon";
  error.why = "the connection has just broken";
  error.retryable = true;
  return error;
}

void MessageSocket::close() noexcept {
  std::shared_ptr<Socket> socket;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    socket = std::exchange(shared_->socket, nullptr);
    shared_->subscriptions.clear();
  }
  shared_->changed.notify_all();
  shared_->stop.request_stop();
  if (socket) socket->close();
  socket.reset();
  std::thread thread;
  {
    std::lock_guard lock(starting_);
    thread = std::move(thread_);
  }
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();  // a handler let go of the sandbox; the thread ends with it
  } else {
    thread.join();
  }
}

}  // namespace computesdk::detail

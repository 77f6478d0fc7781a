#include "socket/hub.hpp"

#include <computesdk/serving/loop.hpp>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kSlow = std::size_t{1} << 20U;
/// Nobody needs more; a client that asks for more must not fill our memory.
constexpr std::size_t kMaxChannels = 4096;
constexpr std::size_t kMaxChannelName = 1024;

}  // namespace

std::string messageText(std::string_view channel, std::string_view type, std::string_view data) {
  JsonObject message;
  message.text("type", type).textIfAny("channel", channel).raw("data", data);
  return message.str();
}

void Connection::send(std::string_view channel, std::string_view type, std::string_view data) {
  sendText(std::make_shared<const std::string>(messageText(channel, type, data)));
}

Hub::Hub(serving::Loop& loop) : loop_(loop), alive_(std::make_shared<bool>(true)) {}

Hub::~Hub() = default;

void Hub::onLoop(std::function<void()> task) {
  if (loop_.onThread()) {
    task();
    return;
  }
  loop_.post([alive = std::weak_ptr<bool>(alive_), task = std::move(task)] {
    if (alive.lock()) task();
  });
}

void Hub::publish(std::string channel, std::string type, std::string json) {
  onLoop([this, channel = std::move(channel), type = std::move(type), json = std::move(json)] {
    const auto at = channels_.find(channel);
    if (at == channels_.end()) return;
    const auto text = std::make_shared<const std::string>(messageText(channel, type, json));
    // A connection that is dropped for its slowness detaches later, by a task of its own.
    for (auto* connection : at->second) connection->sendText(text);
  });
}

void Hub::broadcast(std::string type, std::string json) {
  onLoop([this, type = std::move(type), json = std::move(json)] {
    const auto text = std::make_shared<const std::string>(messageText({}, type, json));
    for (const auto& [connection, owner] : connections_) connection->sendText(text);
  });
}

void Hub::observeSubscriptions(std::string prefix, Observer observer) {
  observers_.emplace_back(std::move(prefix), std::move(observer));
}

void Hub::onMessage(std::string type, MessageHandler handler) { handlers_[std::move(type)] = std::move(handler); }

void Hub::onConnect(ConnectHandler handler) { connectHandlers_.push_back(std::move(handler)); }

bool Hub::subscribed(const std::string& channel) const { return channels_.count(channel) > 0; }

bool Hub::congested(const std::string& channel) const {
  const auto at = channels_.find(channel);
  if (at == channels_.end()) return false;
  for (const auto* connection : at->second) {
    if (connection->queued() <= kSlow) return false;
  }
  return true;
}

void Hub::closeConnections(std::string tokenId) {
  onLoop([this, tokenId = std::move(tokenId)] {
    for (const auto& [connection, owner] : connections_) {
      if (connection->tokenId() == tokenId) connection->close(1008, "the session token was revoked");
    }
  });
}

void Hub::closeAll() {
  onLoop([this] {
    for (const auto& [connection, owner] : connections_) connection->close(1001, "the sandbox is closing");
  });
}

void Hub::attach(const std::shared_ptr<Connection>& connection) {
  connections_[connection.get()] = connection;
  for (const auto& handler : connectHandlers_) handler(*connection);
}

void Hub::detach(Connection& connection) {
  for (auto channel = channels_.begin(); channel != channels_.end();) {
    channel->second.erase(&connection);
    channel = channel->second.empty() ? channels_.erase(channel) : std::next(channel);
  }
  subscriptions_.erase(&connection);
  connections_.erase(&connection);
}

void Hub::subscribe(Connection& connection, const std::string& channel) {
  if (channel.empty() || channel.size() > kMaxChannelName) return;
  auto& count = subscriptions_[&connection];
  if (count >= kMaxChannels) return;
  if (!channels_[channel].insert(&connection).second) return;
  ++count;
  for (const auto& [prefix, observer] : observers_) {
    if (channel.rfind(prefix, 0) == 0) observer(channel, connection);
  }
}

void Hub::unsubscribe(Connection& connection, const std::string& channel) {
  const auto at = channels_.find(channel);
  if (at == channels_.end() || at->second.erase(&connection) == 0) return;
  --subscriptions_[&connection];
  if (at->second.empty()) channels_.erase(at);
}

void Hub::receive(Connection& connection, const ClientMessage& message) {
  if (connections_.count(&connection) == 0) return;
  if (message.type == "subscribe") return subscribe(connection, message.channel);
  if (message.type == "unsubscribe") return unsubscribe(connection, message.channel);
  const auto handler = handlers_.find(message.type);
  if (handler != handlers_.end()) handler->second(message, connection);
}

}  // namespace computesdk::sandboxd

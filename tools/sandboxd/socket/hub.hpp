// What the WebSocket connections of one sandbox hear and say. Everything happens on the loop's thread in order: the
// frames of a connection one by one, publications as they were made.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::serving {
class Loop;
}

namespace computesdk::sandboxd {

/// One message of a client, text or binary frame alike.
struct ClientMessage {
  std::string type;
  std::string channel;
  std::string data;  ///< a JSON object, "{}" when there was none; a string or bytes arrive as a JSON string
};

/// `{"type","channel","data"}`; `data` is JSON text, an empty channel is left out.
std::string messageText(std::string_view channel, std::string_view type, std::string_view data);

/// One open WebSocket. Loop's thread only.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Queues a message. `data` is JSON text; an empty channel is left out of the message.
  void send(std::string_view channel, std::string_view type, std::string_view data);
  /// Queues a message that is complete already; many connections may share it.
  virtual void sendText(const std::shared_ptr<const std::string>& text) = 0;
  /// Bytes that wait to be taken by the client.
  [[nodiscard]] virtual std::size_t queued() const = 0;
  /// Id of the session token that opened it, empty for the access token.
  [[nodiscard]] virtual const std::string& tokenId() const = 0;
  /// Closes it with a WebSocket status code.
  virtual void close(int code, std::string_view reason) = 0;
};

class Hub {
 public:
  using Observer = std::function<void(const std::string& channel, Connection&)>;
  using MessageHandler = std::function<void(const ClientMessage&, Connection&)>;
  using ConnectHandler = std::function<void(Connection&)>;

  explicit Hub(serving::Loop& loop);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  /// Sends `{"type","channel","data"}` to every connection that subscribed to `channel`. `json` is the object that
  /// becomes `data`. Any thread; calls of one thread keep their order.
  void publish(std::string channel, std::string type, std::string json);
  /// Sends `{"type","data"}` to every connection, subscribed or not. Any thread.
  void broadcast(std::string type, std::string json);

  /// Calls `observer` on the loop's thread after a connection subscribed (not: again) to a channel that begins with
  /// `prefix`, before anything else is published on it: the place for a replay. Register before connections come.
  void observeSubscriptions(std::string prefix, Observer observer);
  /// Calls `handler` on the loop's thread for each client message of this type. Register before connections come.
  void onMessage(std::string type, MessageHandler handler);
  /// Calls `handler` on the loop's thread for each new connection. Register before connections come.
  void onConnect(ConnectHandler handler);

  /// Somebody listens to the channel. Loop's thread only.
  [[nodiscard]] bool subscribed(const std::string& channel) const;
  /// The channel has listeners and every one of them is slow (more than 1 MiB waits for each): whoever writes without
  /// end should pause for a moment. Loop's thread only.
  [[nodiscard]] bool congested(const std::string& channel) const;
  /// Closes the connections that a session token opened (it was revoked). Any thread.
  void closeConnections(std::string tokenId);
  /// Closes every connection with 1001. Any thread.
  void closeAll();

  // For the socket room alone, loop's thread only.
  void attach(const std::shared_ptr<Connection>& connection);
  void detach(Connection& connection);
  void receive(Connection& connection, const ClientMessage& message);

 private:
  void onLoop(std::function<void()> task);
  void subscribe(Connection& connection, const std::string& channel);
  void unsubscribe(Connection& connection, const std::string& channel);

  serving::Loop& loop_;
  std::map<Connection*, std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::set<Connection*>, std::less<>> channels_;
  std::map<const Connection*, std::size_t> subscriptions_;
  std::vector<std::pair<std::string, Observer>> observers_;
  std::map<std::string, MessageHandler, std::less<>> handlers_;
  std::vector<ConnectHandler> connectHandlers_;
  std::shared_ptr<bool> alive_;
};

}  // namespace computesdk::sandboxd

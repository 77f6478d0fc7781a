// A small client of a daemon: HTTP and WebSocket, every byte under the test's control.
#pragma once

#include <rapidjson/document.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd::testing {

inline constexpr std::chrono::seconds kPatience{30};

/// Looks again until the condition holds; false when it does not in time.
bool eventually(const std::function<bool()>& condition);

/// A connected socket on the loopback, which gives up reading after kPatience.
UniqueFd dial(std::uint16_t port);
void sendBytes(const UniqueFd& fd, std::string_view bytes);

struct Answer {
  int status = 0;  ///< 0: none
  std::string head, body;
  rapidjson::Document json;

  [[nodiscard]] const rapidjson::Value& data() const { return json["data"]; }
  /// A text of `data`.
  [[nodiscard]] std::string text(const char* name) const;
};

/// One request on a connection of its own, with `token` as its bearer.
Answer ask(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body = {},
           const std::string& token = "access");

struct Message {
  std::string type, channel;
  rapidjson::Document json;
  [[nodiscard]] const rapidjson::Value& data() const { return json["data"]; }
  [[nodiscard]] std::string text(const char* name) const;
};

class Socket {
 public:
  explicit Socket(std::uint16_t port, const std::string& query = "?token=access");

  /// Of the answer to the upgrade: 101 when it is open.
  [[nodiscard]] int status() const { return status_; }
  void sendText(std::string_view json) const { sendFrame(1, json); }
  void sendFrame(int opcode, std::string_view payload) const;
  void sendRaw(std::string_view bytes) const { sendBytes(fd_, bytes); }
  void subscribe(const std::string& channel) const;
  void unsubscribe(const std::string& channel) const;
  /// The next message; nothing when the connection was closed (closeCode() says how) or nothing came.
  std::optional<Message> next();
  /// The next message of that type, others skipped.
  std::optional<Message> next(std::string_view type);
  /// Joins the outputs of `type` until `end` is in them; what there is when it does not come.
  std::string collect(std::string_view type, std::string_view end);
  [[nodiscard]] int closeCode() const { return closeCode_; }
  void close() { fd_.reset(); }

 private:
  std::string take(std::size_t size);

  UniqueFd fd_;
  int status_ = 0, closeCode_ = 0;
};

/// A binary frame of kind `kind`; `data` as it is.
std::string binaryFrame(int kind, std::string_view channel, std::string_view type, std::string_view data);
/// A key-value block of strings; a value that begins with '#' is sent as that number.
std::string keyValues(const std::vector<std::pair<std::string, std::string>>& fields);

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace computesdk::sandboxd::testing

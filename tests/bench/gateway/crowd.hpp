#pragma once

#include "wire.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace computesdk::bench {

/// A frame of a client, text, masked as the protocol wants it.
std::string textFrame(std::string_view text);

/// The frames of a server, one after the other.
class FrameReader {
 public:
  struct Frame {
    int opcode = 0;
    std::string payload;
  };
  void put(std::string_view bytes) { bytes_.append(bytes); }
  /// False when there is no whole frame yet.
  bool take(Frame& frame);

 private:
  std::string bytes_;
};

/// Many WebSockets on one port. A thread of its own opens them, a few at a time, reads what comes and answers pings.
class Crowd {
 public:
  /// A text message of a socket; on the crowd's thread.
  using Message = std::function<void(std::size_t socket, std::string_view text)>;

  /// Opens one for each of `paths`.
  Crowd(std::uint16_t port, std::vector<std::string> paths, Message message = {});
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Waits until all are open. Throws Problem when one of them is refused or closed.
  void waitOpen(std::chrono::seconds limit);
  /// Throws Problem when one has been closed since.
  void check();
  /// Sends a text. Any thread.
  void send(std::size_t socket, std::string_view text);

 private:
  struct Member {
    Descriptor socket;
    AnswerReader head;
    FrameReader frames;
    bool open = false;
  };

  void serve();
  void begin(std::size_t which);
  void arrived(std::size_t which, std::string_view bytes);
  void frame(std::size_t which, const FrameReader::Frame& frame);
  void fail(const std::string& why);
  void write(std::size_t which, std::string_view bytes);

  const std::uint16_t port_;
  const std::vector<std::string> paths_;
  const Message message_;
  Descriptor poll_;
  std::vector<Member> members_;
  std::size_t begun_ = 0;  ///< the crowd's thread only
  std::mutex mutex_, writing_;
  std::condition_variable changed_;
  std::size_t open_ = 0;
  std::string failure_;
  std::atomic<bool> ending_{false};
  std::jthread thread_;
};

}  // namespace computesdk::bench

#pragma once

#include "answer_head.hpp"
#include "message_parser.hpp"
#include "server_core.hpp"

#include <deque>

namespace computesdk::serving {

/// One client's connection: reads requests one after the other, has each answered, and writes the answers. Two states
/// side by side: how far the request was read, and how far it was answered; the next request is looked at when both are
/// at their end. The loop's thread only.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  using BodyReader = std::function<void(std::error_code error, std::string_view bytes)>;

  Connection(std::shared_ptr<Server::Core> server, StreamPtr stream, ConnectionOrigin origin);
  void start();
  /// Looks at the clock.
  void sweep(Clock::time_point now);
  /// Closes after what is under way.
  void drain();
  void cut() { closeNow(); }

  // For Reply: `number` says which request is meant; calls for an earlier one do nothing.
  void send(std::uint64_t number, Response response);
  void begin(std::uint64_t number, Response response, std::optional<std::uint64_t> length);
  void write(std::uint64_t number, std::string bytes, std::function<void(bool)> taken);
  void end(std::uint64_t number);
  void abort(std::uint64_t number);
  void readBody(std::uint64_t number, BodyReader reader);
  void onGone(std::uint64_t number, std::function<void()> gone);
  /// Writes `head` as it is and gives the stream away; null when the client is gone.
  void giveAway(std::uint64_t number, int status, std::string head, std::function<void(StreamPtr)> taken);

  [[nodiscard]] Server::Core& server() noexcept { return *server_; }

 private:
  enum class Input { idle, head, body, full };  // idle: no byte of a request yet
  enum class Answer { none, owed, begun, complete };
  enum class Life { open, lingering, given, dead };  // lingering: all said, waiting for the client to close

  // connection.cpp: reading
  void readMore();
  void arrived(std::error_code error, std::string_view bytes);
  void process(std::string_view bytes);
  bool advance(std::string_view& bytes);
  bool readHead(std::string_view& bytes);
  bool readBodyPiece(std::string_view& bytes);
  bool takePiece(std::string_view piece);
  void starve();
  void dropBody();
  void deliverBody();
  [[nodiscard]] bool wantsInput() const noexcept;
  void resume();
  /// The last answer is given.
  [[nodiscard]] bool closing() const noexcept {
    return life_ == Life::lingering || (answer_ == Answer::complete && !keepAlive_);
  }
  /// So much waits for the client that its next request must wait too.
  [[nodiscard]] bool crowded() const noexcept;
  void ended();
  void broken();
  void expectWithin(std::chrono::milliseconds limit) { deadline_ = Clock::now() + limit; }

  // connection_routing.cpp: from a head to a handler
  void headDone();
  std::string checkHead();
  void route();
  [[nodiscard]] std::uint64_t mostBody() const;
  void applyLimits();
  bool wantsContinue();
  void dispatch();
  void callHandler(const Route& route);
  void answerEarly(Response response) { early_ = std::move(response); }
  void refuse(int status, std::string_view code, std::string_view sentence);

  // connection_output.cpp: answering
  void respond(Response response);
  std::uint64_t beginHead(Response& response, std::optional<std::uint64_t> length, bool whole);
  void enqueue(std::string bytes);
  void flush();
  void written(std::error_code error);
  void answerComplete();
  void nextRequest();
  void finishWriting();
  void closeNow();
  void tellGone();
  void record(int status);

  const std::shared_ptr<Server::Core> server_;
  StreamPtr stream_;
  ConnectionOrigin origin_;
  std::weak_ptr<HandedStream> handed_;

  Input input_ = Input::idle;
  Answer answer_ = Answer::none;
  Life life_ = Life::open;
  bool reading_ = false;
  bool processing_ = false;
  bool eof_ = false;
  bool keepAlive_ = true;
  bool continueOwed_ = false;  ///< "100 Continue" before the body is read
  bool tooBig_ = false;
  bool starved_ = false;  ///< the budget of all bodies has no room for this one
  Clock::time_point deadline_ = Clock::time_point::max();
  std::string in_;  ///< bytes not looked at yet

  // The request under way.
  std::uint64_t number_ = 0;
  std::unique_ptr<MessageParser> parser_;
  Request request_;  ///< until a handler takes it; then what complete() and record() need
  const Route* route_ = nullptr;
  Router* router_ = nullptr;
  std::optional<Response> early_;  ///< an answer that was clear from the head
  bool streamed_ = false;
  bool hasBody_ = false;
  bool bare_ = false;  ///< the answer has no body (HEAD)
  bool http10_ = false;
  bool upgrade_ = false;  ///< the request asks for another protocol
  bool chunked_ = false;
  std::optional<std::uint64_t> left_;  ///< bytes of the answer's body that must still come
  std::uint64_t bodyLimit_ = 0;
  std::uint64_t bodyBytes_ = 0;
  std::uint64_t answerBytes_ = 0;
  int status_ = 0;
  std::string bodyPart_;  ///< of a streamed body, for its reader
  BodyReader bodyReader_;
  std::function<void()> gone_;
  Clock::time_point began_{};

  // What goes out.
  std::vector<std::string> out_;
  std::size_t outOffset_ = 0;  ///< in the first piece
  std::size_t outBytes_ = 0;   ///< in all of them, without what was written
  bool writing_ = false;
  Clock::time_point writeDeadline_ = Clock::time_point::max();
  std::vector<std::function<void(bool)>> taken_;  ///< called when everything is written
};

}  // namespace computesdk::serving

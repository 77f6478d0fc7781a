#include "common/upload.hpp"

#include <utility>

namespace computesdk::vendor {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::size_t kAnswerMax = std::size_t{1} << 20;

/// A body that is being streamed.
class Sender {
 public:
  Sender(Session& session, Request request, const csdk_fs_args& content, std::string_view before,
         std::string_view after)
      : session_(session), input_(session, plugin::Input(content)), after_(after) {
    request.streamBody = true;
    Handlers handlers;
    handlers.head = [this](const Answer& head) { answer_ = head; };
    handlers.data = [this](std::string_view bytes) {
      if (answer_.body.size() < kAnswerMax) answer_.body += bytes;
    };
    handlers.end = [this] { over_ = true; };
    handlers.writable = [this] { paused_ = false; };
    number_ = session_.start(request, std::move(handlers));
    if (!before.empty()) paused_ = session_.write(number_, before) == CSDK_PAUSE;
  }
  ~Sender() { session_.close(number_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  Answer run() {
    session_.until([this] { return pump(); });
    return std::move(answer_);
  }

 private:
  /// Sends what can be sent now; true when the answer is complete.
  bool pump() {
    while (!over_ && !paused_ && !sent_ && answer_.status == 0) {
      if (input_.next(piece_)) {
        paused_ = session_.write(number_, piece_) == CSDK_PAUSE;
      } else if (input_.ended()) {
        session_.write(number_, after_, CSDK_HTTP_FINAL);
        sent_ = true;
      } else {
        break;
      }
    }
    return over_;
  }

  Session& session_;
  InputPump input_;
  std::string_view after_;
  std::uint64_t number_ = 0;
  Answer answer_;
  std::string piece_;
  bool over_ = false, paused_ = false, sent_ = false;
};

}  // namespace

void InputPump::Waker::operator()() const {
  pump->armed_ = false;
  pump->session_.wake();
}

bool InputPump::next(std::string& buffer) {
  if (ended_ || armed_) return false;
  buffer.resize(kPiece);
  std::size_t size = 0;
  const csdk_status status = input_.read(reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size(), &size);
  buffer.resize(size);
  if (status == CSDK_OK) return true;
  if (status == CSDK_EOF) {
    guard_.reset();
    ended_ = true;
    return false;
  }
  guard_.reset();
  armed_ = true;
  guard_.emplace(input_, Waker{this});
  return false;
}

Answer upload(Session& session, Request request, const csdk_fs_args& content, std::string_view before,
              std::string_view after) {
  if (content.source != nullptr) return Sender(session, std::move(request), content, before, after).run();
  request.body = before;
  request.body += plugin::text(content.input);
  request.body += after;
  return session.fetch(request);
}

}  // namespace computesdk::vendor

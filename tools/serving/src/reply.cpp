#include <computesdk/serving/reply.hpp>

#include "owed.hpp"

namespace computesdk::serving {

Reply::Owed::~Owed() {
  if (answered.load() && (!begun.load() || ended.load())) return;
  const auto last = [connection = connection, number = number, nothing = !answered.load()] {
    if (nothing) {
      connection->send(number, connection->server().errorBody(500, "internal", "The server gave no answer."));
    } else {
      connection->abort(number);
    }
  };
  // Never at once: this may be the end of a function of the connection itself.
  loop.post(last);
}

bool Reply::send(Response response) const {
  if (!owed_ || owed_->answered.exchange(true)) return false;
  Owed::run(owed_, [number = owed_->number, response = std::move(response)](Connection& connection) mutable {
    connection.send(number, std::move(response));
  });
  return true;
}

bool Reply::begin(Response response, std::optional<std::uint64_t> length) const {
  if (!owed_ || owed_->answered.exchange(true)) return false;
  owed_->begun.store(true);
  Owed::run(owed_, [number = owed_->number, response = std::move(response), length](Connection& connection) mutable {
    connection.begin(number, std::move(response), length);
  });
  return true;
}

void Reply::write(std::string bytes, std::function<void(bool)> taken) const {
  if (!owed_) return;
  Owed::run(owed_,
            [number = owed_->number, bytes = std::move(bytes), taken = std::move(taken)](
                Connection& connection) mutable { connection.write(number, std::move(bytes), std::move(taken)); });
}

void Reply::end() const {
  if (!owed_ || owed_->ended.exchange(true)) return;
  Owed::run(owed_, [number = owed_->number](Connection& connection) { connection.end(number); });
}

void Reply::abort() const {
  if (!owed_) return;
  owed_->answered.store(true);
  owed_->ended.store(true);
  Owed::run(owed_, [number = owed_->number](Connection& connection) { connection.abort(number); });
}

void Reply::readBody(std::function<void(std::error_code, std::string_view)> handler) const {
  if (!owed_) return;
  Owed::run(owed_, [number = owed_->number, handler = std::move(handler)](Connection& connection) mutable {
    connection.readBody(number, std::move(handler));
  });
}

void Reply::onGone(std::function<void()> gone) const {
  if (!owed_) return;
  Owed::run(owed_, [number = owed_->number, gone = std::move(gone)](Connection& connection) mutable {
    connection.onGone(number, std::move(gone));
  });
}

bool Reply::takeStream(const Response& head, std::function<void(StreamPtr)> taken) const {
  if (!owed_ || owed_->answered.exchange(true)) return false;
  Owed::run(owed_, [number = owed_->number, status = head.status, text = bareHead(head),
                    taken = std::move(taken)](Connection& connection) mutable {
    connection.giveAway(number, status, std::move(text), std::move(taken));
  });
  return true;
}

bool Reply::answered() const noexcept { return owed_ == nullptr || owed_->answered.load(); }
bool Reply::streamsBody() const noexcept { return owed_ != nullptr && owed_->streamed; }
Loop& Reply::loop() const noexcept { return owed_->loop; }

}  // namespace computesdk::serving

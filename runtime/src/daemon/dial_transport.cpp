#include "core/errors.hpp"
#include "daemon/frames.hpp"
#include "daemon/port_stream.hpp"
#include "daemon/transport.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

namespace computesdk::detail {
namespace {

constexpr std::chrono::seconds kUpgradeTime{30};

/// Thrown by the function that takes the bytes, which is how a dialled port is let go of: the answer is complete.
struct AnswerComplete {};

std::string_view textOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ErrorInfo transportError(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot speak to the sandbox's daemon";
  error.why = std::move(why);
  return error;
}

/// A request's bytes, after which the direction stays open: a server may take its end for the client's.
class RequestSource : public registry::InputSource {
 public:
  explicit RequestSource(std::string_view text) : rest_(text) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return -1; }
  State read(std::span<std::byte> buffer, std::size_t& size) override {
    std::lock_guard lock(mutex_);
    if (rest_.empty()) return over_ ? State::end : State::again;
    size = std::min(buffer.size(), rest_.size());
    std::copy_n(std::as_bytes(std::span(rest_)).begin(), size, buffer.begin());
    rest_.remove_prefix(size);
    return State::data;
  }
  void onReadable(std::function<void()> ready) override {
    {
      std::lock_guard lock(mutex_);
      if (rest_.empty() && !over_) {
        ready_ = std::move(ready);
        return;
      }
    }
    ready();
  }
  /// The other end has closed.
  void end() {
    std::function<void()> ready;
    {
      std::lock_guard lock(mutex_);
      over_ = true;
      ready = std::exchange(ready_, {});
    }
    if (ready) ready();
  }

 private:
  std::mutex mutex_;
  std::string_view rest_;
  bool over_ = false;
  std::function<void()> ready_;
};

/// A WebSocket on a dialled port: upgrade, frames, messages.
class DialSocket final : public Socket {
 public:
  DialSocket(SocketEvents events, std::string key) : events_(std::move(events)), key_(std::move(key)) {}
  ~DialSocket() override { close(); }
  DialSocket(const DialSocket&) = delete;
  DialSocket& operator=(const DialSocket&) = delete;

  Result<void> open(SandboxState& sandbox, std::uint16_t port, std::string_view upgrade, const std::stop_token& stop) {
    DialOptions options;
    options.port = port;
    options.onBytes = [this](std::span<const std::byte> bytes) { take(textOf(bytes)); };
    options.onEnd = [this] { lose("the daemon closed the connection"); };
    options.onClosed = [this](const ErrorInfo* error) { ended(error); };
    // Not an owner: what owns the sandbox's state owns this, and closes it first.
    stream_ = std::make_shared<PortStreamState>(std::shared_ptr<SandboxState>(std::shared_ptr<void>(), &sandbox),
                                                std::move(options));
    if (auto started = stream_->start(); !started) return started;
    if (auto sent = stream_->write(std::as_bytes(std::span(upgrade)), stop); !sent && stop.stop_requested())
      return sent;
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, stop, kUpgradeTime, [this] { return stands_ || failure_; })) {
      return stop.stop_requested() ? cancelled("cannot open a WebSocket to the daemon")
                                   : transportError(ErrorCode::timeout, "it did not answer the upgrade in 30 s");
    }
    if (failure_) return *failure_;
    return {};
  }

  bool send(std::string_view text) override { return write(Opcode::text, text); }
  void consumed(std::size_t) override {}
  void close() noexcept override {
    {
      std::lock_guard lock(mutex_);
      quiet_ = true;
    }
    if (stream_) stream_->close();
  }

 private:
  bool write(Opcode opcode, std::string_view payload) {
    const std::string frame = encodeFrame(opcode, payload);
    return stream_ && stream_->write(std::as_bytes(std::span(frame)), {}).has_value();
  }

  void take(std::string_view bytes) {
    if (!standing()) {
      if (parser_.feed(bytes) == ResponseParser::State::more) return;
      const bool good = parser_.status() == 101 && parser_.header("sec-websocket-accept") == socketAccept(key_);
      {
        std::lock_guard lock(mutex_);
        stands_ = good;
        if (!good) failure_ = upgradeRefused(parser_.status());
      }
      changed_.notify_all();
      if (!good) throw AnswerComplete{};
      bytes = parser_.rest();
    }
    const bool fine =
        decoder_.feed(bytes, [this](Opcode opcode, std::string_view payload) { message(opcode, payload); });
    if (fine) return;
    lose("the daemon broke the rules of WebSockets");
    throw AnswerComplete{};
  }

  void message(Opcode opcode, std::string_view payload) {
    if (opcode == Opcode::text && !quiet()) events_.onText(payload);
    if (opcode == Opcode::ping) write(Opcode::pong, payload);
    if (opcode == Opcode::close) {
      write(Opcode::close, payload);
      lose("the daemon closed the connection");
      stream_->closeWrite();
    }
  }

  bool standing() {
    std::lock_guard lock(mutex_);
    return stands_;
  }
  bool quiet() {
    std::lock_guard lock(mutex_);
    return quiet_;
  }

  /// Remembers why; the stream's own end follows.
  void lose(std::string why) {
    {
      std::lock_guard lock(mutex_);
      if (why_.empty()) why_ = std::move(why);
    }
    if (stream_) stream_->closeWrite();
  }

  void ended(const ErrorInfo* error) {
    std::string why;
    bool tell = false;
    {
      std::lock_guard lock(mutex_);
      if (!stands_ && !failure_) {
        failure_ = error != nullptr ? *error : transportError(ErrorCode::network, "the daemon closed the connection");
      }
      tell = stands_ && !quiet_;
      why = !why_.empty() ? why_ : error != nullptr ? error->firstLine() : "the connection has ended";
    }
    changed_.notify_all();
    if (tell) events_.onClosed(std::move(why));
  }

  const SocketEvents events_;
  const std::string key_;
  std::shared_ptr<PortStreamState> stream_;
  ResponseParser parser_{false};  ///< these two belong to the stream's thread
  FrameDecoder decoder_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool stands_ = false;
  bool quiet_ = false;
  std::string why_;
  std::optional<ErrorInfo> failure_;
};

class DialTransport final : public Transport {
 public:
  DialTransport(SandboxState& sandbox, std::uint16_t port, std::string token)
      : sandbox_(sandbox), port_(port), token_(std::move(token)), host_("127.0.0.1:" + std::to_string(port)) {}

  Result<HttpAnswer> send(const HttpRequest& request, const std::stop_token& stop) override {
    ResponseParser parser(request.method == "HEAD");
    const std::string text = writeRequest(request, host_, token_);
    RequestSource source(text);
    const registry::OutputFunction output = [&](OutputStream stream, std::span<const std::byte> bytes) {
      if (stream == OutputStream::end) {
        parser.end();
        source.end();
      } else if (parser.feed(textOf(bytes)) != ResponseParser::State::more) {
        throw AnswerComplete{};
      }
    };
    std::optional<ErrorInfo> failure;
    try {
      const Deadline deadline = request.timeout ? deadlineIn(*request.timeout) : std::nullopt;
      auto ended =
          sandbox_.call(stop, deadline, [&](const registry::Target& target, const registry::CallContext& context) {
            return sandbox_.provider().dial(target, port_, source, output, context);
          });
      if (!ended) failure = std::move(ended).error();
    } catch (const AnswerComplete&) {  // below
    }
    if (parser.feed({}) == ResponseParser::State::done) return HttpAnswer{parser.status(), std::move(parser.body())};
    if (failure) return std::move(*failure);
    return transportError(ErrorCode::protocol, "its answer is cut off or no HTTP");
  }

  Result<std::unique_ptr<Socket>> open(const std::string& target, SocketEvents events,
                                       const std::stop_token& stop) override {
    const std::string key = newSocketKey();
    auto socket = std::make_unique<DialSocket>(std::move(events), key);
    if (auto opened = socket->open(sandbox_, port_, writeUpgrade(target, host_, token_, key), stop); !opened) {
      return std::move(opened).error();
    }
    return std::unique_ptr<Socket>(std::move(socket));
  }

 private:
  SandboxState& sandbox_;
  const std::uint16_t port_;
  const std::string token_;
  const std::string host_;
};

}  // namespace

ErrorInfo upgradeRefused(int status) {
  ErrorInfo error = transportError(status == 401 ? ErrorCode::authRejected : ErrorCode::protocol,
                                   "it refused a WebSocket (HTTP " + std::to_string(status) + ")");
  return error;
}

std::unique_ptr<Transport> dialTransport(SandboxState& sandbox, std::uint16_t port, std::string token) {
  return std::make_unique<DialTransport>(sandbox, port, std::move(token));
}

}  // namespace computesdk::detail

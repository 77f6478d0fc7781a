#include <computesdk/serving/tls.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <mutex>

namespace computesdk::serving {
namespace {

constexpr std::size_t kRecord = 16u << 10;

struct FreeContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const noexcept { SSL_free(session); }
};
using ContextPtr = std::shared_ptr<SSL_CTX>;
using SessionPtr = std::unique_ptr<SSL, FreeSession>;

std::error_code broken() { return std::make_error_code(std::errc::protocol_error); }

ErrorInfo tlsError(const std::string& certificate, const std::string& key) {
  char text[256] = "OpenSSL gives no reason";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  ErrorInfo error;
  error.code = ErrorCode::invalidArgument;
  error.what = "cannot use the certificate " + certificate + " with the key " + key;
  error.why = text;
  error.fix = "give a PEM file with the certificate and its chain, and a PEM file with its private key";
  return error;
}

Result<ContextPtr> makeContext(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_server_method()), FreeContext());
  if (!context) return tlsError(certificate, key);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  const bool loaded = SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) == 1 &&
                      SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) == 1 &&
                      SSL_CTX_check_private_key(context.get()) == 1;
  if (!loaded) return tlsError(certificate, key);
  return context;
}

/// TLS over another stream. OpenSSL works on memory: what it wants to send is taken from there and written, what comes
/// is put there. Its buffers are released while nothing moves.
class TlsStream final : public ByteStream, public std::enable_shared_from_this<TlsStream> {
 public:
  TlsStream(Loop& loop, SessionPtr session, StreamPtr plain)
      : loop_(loop), plain_(std::move(plain)), session_(std::move(session)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(session_.get(), in_, out_);
    SSL_set_accept_state(session_.get());
  }

  /// `done` is called once; false when the client speaks no TLS that is taken here.
  void shakeHands(std::function<void(bool)> done);

  void asyncRead(std::size_t most, ReadHandler handler) override;
  void asyncWrite(std::string_view bytes, WriteHandler handler) override;
  void halfClose() override;
  void close() override;

 private:
  void shake();
  void fill();
  void filled(std::error_code error, std::string_view bytes);
  void tryRead();
  void flush();
  void flushed(std::error_code error);
  std::string takeOutput();

  Loop& loop_;
  StreamPtr plain_;
  SessionPtr session_;
  BIO* in_ = nullptr;  ///< session_ owns both
  BIO* out_ = nullptr;
  std::function<void(bool)> shaking_;
  ReadHandler reading_;
  std::size_t most_ = 0;
  WriteHandler writing_;
  bool filling_ = false;
  bool flushing_ = false;
  bool ended_ = false;
  bool ending_ = false;
};

void TlsStream::shakeHands(std::function<void(bool)> done) {
  shaking_ = std::move(done);
  shake();
}

void TlsStream::shake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  const int reason = result == 1 ? SSL_ERROR_NONE : SSL_get_error(session_.get(), result);
  flush();
  if (result == 1) return std::exchange(shaking_, nullptr)(true);
  if (reason == SSL_ERROR_WANT_READ && !ended_) return fill();
  std::exchange(shaking_, nullptr)(false);
}

void TlsStream::fill() {
  if (std::exchange(filling_, true)) return;
  plain_->asyncRead(kRecord, [self = shared_from_this()](std::error_code error, std::string_view bytes) {
    self->filled(error, bytes);
  });
}

void TlsStream::filled(std::error_code error, std::string_view bytes) {
  filling_ = false;
  ended_ = ended_ || error || bytes.empty();
  if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  if (shaking_) return shake();
  if (!reading_) return;
  if (error) return std::exchange(reading_, nullptr)(error, {});
  tryRead();
}

void TlsStream::asyncRead(std::size_t most, ReadHandler handler) {
  reading_ = std::move(handler);
  most_ = most;
  // What was decrypted already, or has come already, does not make the socket readable.
  if (SSL_pending(session_.get()) == 0 && BIO_ctrl_pending(in_) == 0 && !ended_) return fill();
  loop_.post([self = shared_from_this()] {
    if (self->reading_ && !self->filling_) self->tryRead();
  });
}

void TlsStream::tryRead() {
  ERR_clear_error();
  std::array<char, kRecord> plain;
  const int count = SSL_read(session_.get(), plain.data(), static_cast<int>(std::min(most_, plain.size())));
  const int reason = count > 0 ? SSL_ERROR_NONE : SSL_get_error(session_.get(), count);
  flush();  // an answer to a key update
  if (count > 0) {
    return std::exchange(reading_, nullptr)({}, std::string_view(plain.data(), static_cast<std::size_t>(count)));
  }
  if (reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_WANT_READ && ended_)) {
    return std::exchange(reading_, nullptr)({}, {});
  }
  if (reason == SSL_ERROR_WANT_READ) return fill();
  std::exchange(reading_, nullptr)(broken(), {});
}

void TlsStream::asyncWrite(std::string_view bytes, WriteHandler handler) {
  ERR_clear_error();
  // The memory takes all of it.
  const bool taken = bytes.empty() || SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  if (!taken) {
    loop_.post([handler = std::move(handler)] { handler(broken()); });
    return;
  }
  writing_ = std::move(handler);
  flush();
}

std::string TlsStream::takeOutput() {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out_, &data);
  std::string bytes(data, static_cast<std::size_t>(std::max(size, 0L)));
  BIO_reset(out_);
  return bytes;
}

void TlsStream::flush() {
  if (flushing_) return;
  const std::string bytes = takeOutput();
  if (bytes.empty() && !writing_) return;
  flushing_ = true;
  plain_->asyncWrite(bytes, [self = shared_from_this()](std::error_code error) { self->flushed(error); });
}

void TlsStream::flushed(std::error_code error) {
  flushing_ = false;
  if (!error && BIO_ctrl_pending(out_) > 0) return flush();
  if (writing_) std::exchange(writing_, nullptr)(error);
  if (ending_ && !flushing_) plain_->halfClose();
}

void TlsStream::close() {
  plain_->close();
  // Handlers that stayed here would keep their owner alive, and with it this stream.
  const std::error_code error = std::make_error_code(std::errc::operation_canceled);
  if (reading_) loop_.post([handler = std::exchange(reading_, nullptr), error] { handler(error, {}); });
  if (writing_) loop_.post([handler = std::exchange(writing_, nullptr), error] { handler(error); });
}

void TlsStream::halfClose() {
  ERR_clear_error();
  SSL_shutdown(session_.get());
  ending_ = true;
  flush();
  if (!flushing_) plain_->halfClose();
}

}  // namespace

struct Tls::State {
  Loop& loop;
  std::string certificate;
  std::string key;
  mutable std::mutex mutex;
  ContextPtr context;
};

Result<Tls> Tls::load(Loop& loop, const std::string& certificateChain, const std::string& privateKey) {
  // NOLINTNEXTLINE(modernize-make-shared): clang 14 knows no aggregates in parentheses
  Tls tls(std::shared_ptr<State>(new State{loop, certificateChain, privateKey, {}, {}}));
  if (auto loaded = tls.reload(); !loaded) return loaded.error();
  return tls;
}

Result<void> Tls::reload() {
  auto context = makeContext(state_->certificate, state_->key);
  if (!context) return context.error();
  const std::lock_guard lock(state_->mutex);
  state_->context = std::move(*context);
  return {};
}

Handshake Tls::handshake(std::chrono::milliseconds timeout) const {
  return [state = state_, timeout](const StreamPtr& plain, const DialHandler& ready) {
    ContextPtr context;
    {
      const std::lock_guard lock(state->mutex);
      context = state->context;
    }
    const auto stream = std::make_shared<TlsStream>(state->loop, SessionPtr(SSL_new(context.get())), plain);
    const auto clock = std::make_shared<Timer>(state->loop.after(timeout, [plain] { plain->close(); }));
    stream->shakeHands([stream, clock, plain, ready](bool done) {
      clock->cancel();
      if (done) return ready(StreamPtr(stream));
      plain->close();
      ErrorInfo error;
      error.code = ErrorCode::network;
      error.what = "a client could not begin TLS";
      error.why = "its handshake failed or was too slow";
      ready(std::move(error));
    });
  };
}

}  // namespace computesdk::serving

#include "proxy/tls_dialler.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <system_error>
#include <utility>

namespace computesdk::gateway {

struct TlsDialler::Context {
  ~Context() { SSL_CTX_free(ssl); }
  SSL_CTX* ssl = nullptr;
};

namespace {

constexpr std::size_t kPiece = 16 * 1024;

ErrorInfo tlsFailure(const std::string& name, std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::tls;
  error.what = "cannot make a TLS connection to " + name;
  error.why = std::move(why);
  return error;
}

/// TLS over another stream. OpenSSL works on memory; this moves the bytes.
class TlsStream : public serving::ByteStream, public std::enable_shared_from_this<TlsStream> {
 public:
  TlsStream(serving::Loop& loop, serving::StreamPtr plain, SSL* ssl)
      : loop_(loop), plain_(std::move(plain)), ssl_(ssl) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
  }
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream() override { SSL_free(ssl_); }

  /// `done` with nothing when it stands, else why it does not.
  void handshake(std::function<void(std::string why)> done) {
    ERR_clear_error();
    const int code = SSL_connect(ssl_);
    const int state = SSL_get_error(ssl_, code);
    flush({});
    if (code == 1) return done({});
    if (state != SSL_ERROR_WANT_READ) return done(reason());
    plain_->asyncRead(kPiece, [self = shared_from_this(), done = std::move(done)](std::error_code error,
                                                                                  std::string_view bytes) mutable {
      if (error || bytes.empty()) return done("the connection ended during the handshake");
      self->feed(bytes);
      self->handshake(std::move(done));
    });
  }

  void asyncRead(std::size_t most, ReadHandler handler) override {
    auto buffer = std::make_shared<std::string>(std::min(most, kPiece), '\0');
    ERR_clear_error();
    const int got = SSL_read(ssl_, buffer->data(), static_cast<int>(buffer->size()));
    const int state = SSL_get_error(ssl_, got);
    flush({});
    if (got > 0) {
      buffer->resize(static_cast<std::size_t>(got));
      return loop_.post([handler = std::move(handler), buffer] { handler({}, *buffer); });
    }
    if (state == SSL_ERROR_ZERO_RETURN) {
      return loop_.post([handler = std::move(handler)] { handler({}, {}); });
    }
    if (state != SSL_ERROR_WANT_READ) {
      return loop_.post(
          [handler = std::move(handler)] { handler(std::make_error_code(std::errc::protocol_error), {}); });
    }
    buffer.reset();
    plain_->asyncRead(kPiece, [self = shared_from_this(), most, handler = std::move(handler)](
                                  std::error_code error, std::string_view bytes) mutable {
      if (error) return handler(error, {});
      // An end without TLS's own goodbye: it may have been cut off by somebody.
      if (bytes.empty()) return handler(std::make_error_code(std::errc::connection_reset), {});
      self->feed(bytes);
      self->asyncRead(most, std::move(handler));
    });
  }

  void asyncWrite(std::string_view bytes, WriteHandler handler) override {
    ERR_clear_error();
    while (!bytes.empty()) {
      const int taken = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min(bytes.size(), kPiece)));
      if (taken <= 0) {
        return loop_.post([handler = std::move(handler)] { handler(std::make_error_code(std::errc::broken_pipe)); });
      }
      bytes.remove_prefix(static_cast<std::size_t>(taken));
    }
    flush(std::move(handler));
  }

  void halfClose() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    flush([plain = plain_](std::error_code) { plain->halfClose(); });
  }

  void close() override { plain_->close(); }
  [[nodiscard]] bool quiet() override {
    return SSL_pending(ssl_) == 0 && BIO_ctrl_pending(in_) == 0 && plain_->quiet();
  }

 private:
  void feed(std::string_view bytes) { BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())); }

  [[nodiscard]] std::string reason() const {
    if (const long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
      return X509_verify_cert_error_string(verdict);
    }
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
    return text.data();
  }

  /// Sends what OpenSSL has put out; `handler` once all of it is taken. One write at a time is under way.
  void flush(WriteHandler handler) {
    if (handler) handlers_.push_back(std::move(handler));
    if (writing_) return;
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    if (size <= 0 && handlers_.empty()) return;
    writing_ = true;
    auto waiting = std::exchange(handlers_, {});
    const std::string bytes(data, static_cast<std::size_t>(std::max(size, 0L)));
    (void)BIO_reset(out_);
    const auto done = [self = shared_from_this(), waiting = std::move(waiting)](std::error_code error) {
      self->writing_ = false;
      for (const WriteHandler& each : waiting) each(error);
      if (!error) self->flush({});
    };
    if (bytes.empty()) return loop_.post([done] { done({}); });
    plain_->asyncWrite(bytes, done);
  }

  serving::Loop& loop_;
  const serving::StreamPtr plain_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
  bool writing_ = false;
  std::vector<WriteHandler> handlers_;
};

}  // namespace

TlsDialler::TlsDialler(serving::Loop& loop, const std::string& extraAuthorities)
    : loop_(loop), context_(std::make_shared<Context>()) {
  context_->ssl = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context_->ssl, TLS1_2_VERSION);
  SSL_CTX_set_verify(context_->ssl, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_default_verify_paths(context_->ssl);
  // A file that cannot be read adds nobody; the handshake then says which certificate is not trusted.
  if (!extraAuthorities.empty()) SSL_CTX_load_verify_file(context_->ssl, extraAuthorities.c_str());
  ERR_clear_error();
}

TlsDialler::~TlsDialler() = default;

void TlsDialler::secure(const serving::StreamPtr& plain, const std::string& name, std::chrono::milliseconds time,
                        serving::DialHandler handler) {
  SSL* ssl = SSL_new(context_->ssl);
  unsigned char address[16];
  const bool literal =
      ::inet_pton(AF_INET, name.c_str(), address) == 1 || ::inet_pton(AF_INET6, name.c_str(), address) == 1;
  if (literal) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, name.c_str());
    SSL_set1_host(ssl, name.c_str());
  }
  auto stream = std::make_shared<TlsStream>(loop_, plain, ssl);
  auto timer = std::make_shared<serving::Timer>(loop_.after(time, [plain] { plain->close(); }));
  stream->handshake([stream, timer, name, handler = std::move(handler)](const std::string& why) {
    timer->cancel();
    if (why.empty()) return handler(serving::StreamPtr(stream));
    stream->close();
    handler(tlsFailure(name, why));
  });
}

}  // namespace computesdk::gateway

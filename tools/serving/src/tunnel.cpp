#include <computesdk/serving/byte_stream.hpp>

#include <array>

namespace computesdk::serving {
namespace {

constexpr std::size_t kPiece = 64u << 10;

/// Two streams and what moved between them. Kept alive by the reads and writes under way.
class Tunnel : public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(StreamPtr a, StreamPtr b, std::function<void(std::uint64_t, std::uint64_t)> done)
      : ends_{std::move(a), std::move(b)}, done_(std::move(done)) {}

  void start() {
    pump(0);
    pump(1);
  }

 private:
  /// Moves the next piece out of ends_[from].
  void pump(std::size_t from) {
    ends_[from]->asyncRead(kPiece, [self = shared_from_this(), from](std::error_code error, std::string_view bytes) {
      self->moved(from, error, bytes);
    });
  }

  void moved(std::size_t from, std::error_code error, std::string_view bytes) {
    if (finished_) return;
    if (error) return finish();
    ByteStream& to = *ends_[1 - from];
    if (bytes.empty()) {
      to.halfClose();
      if (++ended_ == 2) finish();
      return;
    }
    counts_[from] += bytes.size();
    to.asyncWrite(bytes, [self = shared_from_this(), from](std::error_code failed) {
      if (self->finished_) return;
      failed ? self->finish() : self->pump(from);
    });
  }

  void finish() {
    finished_ = true;
    for (const StreamPtr& end : ends_) end->close();
    if (done_) std::exchange(done_, nullptr)(counts_[0], counts_[1]);
  }

  std::array<StreamPtr, 2> ends_;
  std::array<std::uint64_t, 2> counts_{};
  std::function<void(std::uint64_t, std::uint64_t)> done_;
  int ended_ = 0;
  bool finished_ = false;
};

}  // namespace

void tunnel(StreamPtr a, StreamPtr b, std::function<void(std::uint64_t, std::uint64_t)> done) {
  std::make_shared<Tunnel>(std::move(a), std::move(b), std::move(done))->start();
}

}  // namespace computesdk::serving

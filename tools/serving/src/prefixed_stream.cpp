#include "prefixed_stream.hpp"

namespace computesdk::serving {
namespace {

class PrefixedStream final : public ByteStream {
 public:
  PrefixedStream(Loop& loop, StreamPtr inner, std::string first)
      : loop_(loop), inner_(std::move(inner)), first_(std::move(first)) {}

  void asyncRead(std::size_t most, ReadHandler handler) override {
    if (first_.empty()) return inner_->asyncRead(most, std::move(handler));
    std::string bytes = first_.substr(0, most);
    first_.erase(0, bytes.size());
    if (first_.empty()) first_.shrink_to_fit();
    loop_.post([handler = std::move(handler), bytes = std::move(bytes)] { handler({}, bytes); });
  }
  void asyncWrite(std::string_view bytes, WriteHandler handler) override {
    inner_->asyncWrite(bytes, std::move(handler));
  }
  void halfClose() override { inner_->halfClose(); }
  void close() override { inner_->close(); }
  [[nodiscard]] bool quiet() override { return first_.empty() && inner_->quiet(); }

 private:
  Loop& loop_;
  StreamPtr inner_;
  std::string first_;
};

}  // namespace

StreamPtr withPrefix(Loop& loop, StreamPtr stream, std::string first) {
  if (first.empty()) return stream;
  return std::make_shared<PrefixedStream>(loop, std::move(stream), std::move(first));
}

}  // namespace computesdk::serving

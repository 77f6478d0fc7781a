#pragma once

#include <computesdk/serving/byte_stream.hpp>

namespace computesdk::serving {

/// A connected stream socket as a ByteStream. Bytes are read into a buffer that all streams of a thread share, once
/// there are some; what the kernel does not take of a write is copied until it does.
class SocketStream final : public ByteStream, public std::enable_shared_from_this<SocketStream> {
 public:
  /// Takes the non-blocking `descriptor`; `watch` is one of it.
  SocketStream(Loop& loop, int descriptor, Watch watch);
  ~SocketStream() override;

  void asyncRead(std::size_t most, ReadHandler handler) override;
  void asyncWrite(std::string_view bytes, WriteHandler handler) override;
  void halfClose() override;
  void close() override;
  [[nodiscard]] bool quiet() override;

 private:
  void awaitReadable();
  void awaitWritable();
  void readNow();
  void writeRest();
  /// Number of bytes that the kernel took, or -1 with errno; EAGAIN counts as none.
  long sendNow(std::string_view bytes) const noexcept;

  Loop& loop_;
  int descriptor_;
  Watch watch_;
  std::size_t most_ = 0;
  ReadHandler reading_;
  WriteHandler writing_;
  std::string rest_;      ///< of a write
  std::size_t sent_ = 0;  ///< bytes of rest_
  bool ending_ = false;   ///< half-close after rest_
};

}  // namespace computesdk::serving

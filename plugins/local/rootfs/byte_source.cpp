#include "byte_source.hpp"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace computesdk::local::rootfs {
namespace {

class Gunzip final : public ByteSource {
 public:
  Gunzip(ByteSource& from, std::uint64_t most) : from_(from), left_(most), input_(1U << 16) {
    constexpr int kGzipOnly = 15 + 16;
    good_ = ::inflateInit2(&stream_, kGzipOnly) == Z_OK;
  }
  ~Gunzip() override {
    if (good_) ::inflateEnd(&stream_);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  Result<std::size_t> read(void* to, std::size_t size) override {
    if (!good_) return systemError(ENOMEM, "cannot decompress");
    stream_.next_out = static_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, 1U << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room && !ended_) {
      if (stream_.avail_in == 0) {
        const auto got = from_.read(input_.data(), input_.size());
        if (!got.ok()) return got;
        if (*got == 0) {
          if (betweenMembers_) {
            ended_ = true;
            break;
          }
          return invalidArgument("a compressed layer is cut off");
        }
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(*got);
      }
      if (betweenMembers_) {
        ::inflateReset(&stream_);
        betweenMembers_ = false;
      }
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        betweenMembers_ = true;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return invalidArgument("a compressed layer is damaged");
      }
    }
    const std::size_t made = room - stream_.avail_out;
    if (made > left_) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "a layer is larger than allowed when unpacked"};
    }
    left_ -= made;
    return made;
  }

 private:
  ByteSource& from_;
  std::uint64_t left_;
  std::vector<char> input_;
  z_stream stream_{};
  bool good_ = false, ended_ = false, betweenMembers_ = false;
};

}  // namespace

Result<std::size_t> BlobSource::read(void* to, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(file_.get(), to, static_cast<std::size_t>(std::min<std::uint64_t>(size, left_)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError(errno, "cannot read a blob of the image");
    hash_.update(to, static_cast<std::size_t>(n));
    left_ -= static_cast<std::uint64_t>(n);
    return static_cast<std::size_t>(n);
  }
}

Status BlobSource::verify() {
  char block[1U << 14];
  for (;;) {
    const auto got = read(block, sizeof block);
    if (!got.ok()) return got.error();
    if (*got == 0) break;
  }
  char more;
  const bool longer = ::read(file_.get(), &more, 1) > 0;
  if (left_ != 0 || longer)
    return invalidArgument("a blob of the image is not as long as its manifest says: sha256:" + digest_);
  if (hash_.finish() != digest_)
    return invalidArgument("a blob of the image does not match its digest sha256:" + digest_);
  return okStatus();
}

std::unique_ptr<ByteSource> gunzip(ByteSource& compressed, std::uint64_t most) {
  return std::make_unique<Gunzip>(compressed, most);
}

}  // namespace computesdk::local::rootfs

#include <computesdk/filesystem.hpp>

#include <istream>
#include <ostream>
#include <stdexcept>

// Apart from the rest, so that programs that use no streams do not link them.
namespace computesdk {

Result<TransferResult> Filesystem::upload(Nothrow, std::istream& local, std::string_view remote,
                                          const TransferOptions& options) {
  const ByteSource reader = [&local](std::span<std::byte> buffer) -> std::size_t {
    local.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
    if (local.bad()) throw std::runtime_error("the local stream cannot be read");
    return static_cast<std::size_t>(local.gcount());
  };
  return upload(nothrow, reader, remote, options);
}

Result<TransferResult> Filesystem::download(Nothrow, std::string_view remote, std::ostream& local,
                                            const TransferOptions& options) {
  const ByteSink sink = [&local](std::span<const std::byte> bytes) {
    local.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!local) throw std::runtime_error("the local stream cannot be written");
  };
  return download(nothrow, remote, sink, options);
}

}  // namespace computesdk

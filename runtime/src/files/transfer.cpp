#include "commands/input.hpp"
#include "core/errors.hpp"
#include "core/fd.hpp"
#include "files/file_calls.hpp"
#include "named/naming.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>

namespace computesdk {
namespace detail {
namespace {

ErrorInfo localError(std::string verb, const std::filesystem::path& file, int error) {
  ErrorInfo info;
  info.code = error == ENOENT                      ? ErrorCode::fileNotFound
              : error == EACCES || error == EPERM  ? ErrorCode::permission
              : error == ENOSPC || error == EDQUOT ? ErrorCode::diskFull
                                                   : ErrorCode::unknown;
  info.what = "cannot " + std::move(verb) + " the local file " + file.string();
  info.why = std::strerror(error);
  info.fix = "check the path, its permissions and the room on this machine";
  return info;
}

/// Tells how far a transfer is, at most once every 64 KiB and at its end.
class Meter {
 public:
  Meter(const std::function<void(const Progress&)>& report, std::string phase, std::int64_t total)
      : report_(report), progress_{std::move(phase), {}, 0, total} {}
  void add(std::size_t bytes) {
    progress_.done += static_cast<std::int64_t>(bytes);
    if (report_ && progress_.done - told_ >= 64 * 1024) tell();
  }
  void finish() {
    if (report_ && (told_ != progress_.done || told_ == 0)) tell();
  }
  [[nodiscard]] std::int64_t done() const noexcept { return progress_.done; }

 private:
  void tell() {
    told_ = progress_.done;
    report_(progress_);
  }
  const std::function<void(const Progress&)>& report_;
  Progress progress_;
  std::int64_t told_ = 0;
};

/// Sends what `source` gives and checks the size of what stands there afterwards. `stop` ends it.
Result<TransferResult> send(SandboxState& sandbox, registry::InputSource& source, std::string_view remote,
                            const TransferOptions& options, const std::stop_token& stop) {
  Meter meter(options.onProgress, "upload", std::max<std::int64_t>(source.sizeHint(), 0));
  CountingSource counted(source, [&meter](std::span<const std::byte> bytes) { meter.add(bytes.size()); });
  auto written = writeFileFrom(sandbox, remote, counted, {options.mode, options.parents, stop});
  if (!written) return std::move(written).error();
  auto entry = statFile(sandbox, remote, true, stop);
  if (!entry) return std::move(entry).error();
  const bool wrong = (entry->size >= 0 && entry->size != meter.done()) ||
                     (source.sizeHint() >= 0 && source.sizeHint() != meter.done());
  if (wrong) {
    ErrorInfo error;
    error.code = ErrorCode::dataLoss;
    error.provider = sandbox.provider().name();
    error.sandboxId = sandbox.id();
    error.what = "cannot upload " + std::string(remote);
    error.why = std::to_string(meter.done()) + " bytes were sent" +
                (source.sizeHint() >= 0 ? " of " + std::to_string(source.sizeHint()) : std::string()) + ", and " +
                std::to_string(entry->size) + " are there";
    error.fix = "upload it again";
    error.retryable = true;
    return error;
  }
  meter.finish();
  return TransferResult{meter.done()};
}

/// Where `place` leads; itself when nothing is there yet.
std::filesystem::path behindLinks(const std::filesystem::path& place) {
  std::error_code error;
  const auto real = std::filesystem::canonical(place, error);
  return error ? place : real;
}

/// A new file beside its place, which takes it by rename; removed if that does not happen. A device or a pipe keeps its
/// place: it is written to, as every other program does.
class LocalFile {
 public:
  explicit LocalFile(const std::filesystem::path& place) : place_(behindLinks(place)) {
    struct stat info {};
    direct_ = ::stat(place_.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
    if (!direct_) temporary_ = place_.parent_path() / (".computesdk-" + newUuid());
  }
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;
  ~LocalFile() {
    if (fd_ && !direct_) ::unlink(temporary_.c_str());
  }
  Result<void> open(std::uint32_t mode) {
    if (direct_) {
      // Without waiting: a FIFO that nobody reads is an error (ENXIO), like a folder (EISDIR) and a socket.
      fd_ = UniqueFd(::open(place_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
      if (!fd_ || ::fcntl(fd_.get(), F_SETFL, 0) != 0) return localError("write", place_, errno);
      return {};
    }
    fd_ =
        UniqueFd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode == 0 ? 0666 : mode & 07777));
    if (!fd_) return localError("write", place_, errno);
    return {};
  }
  /// False with errno set.
  bool write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return true;
  }
  Result<void> commit() {
    if (!direct_ && ::rename(temporary_.c_str(), place_.c_str()) != 0) return localError("write", place_, errno);
    fd_.reset();
    return {};
  }

 private:
  const std::filesystem::path place_;
  std::filesystem::path temporary_;
  bool direct_ = false;
  UniqueFd fd_;
};

/// Carries the number of a failed local write out of the provider's call.
struct LocalWriteFailed {
  int error;
};

}  // namespace
}  // namespace detail

Result<TransferResult> Filesystem::upload(Nothrow, const std::filesystem::path& local, std::string_view remote,
                                          const TransferOptions& options) {
  detail::UniqueFd fd(::open(local.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return detail::localError("read", local, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return detail::localError("read", local, errno);
  if (!S_ISREG(status.st_mode)) {
    return detail::invalidArgument("cannot upload " + local.string(), "it is not a regular file",
                                   "upload files one by one, or a stream");
  }
  const auto source = detail::fileSource(std::move(fd), status.st_size);
  return detail::send(*state_, *source, remote, options, options.stop);
}

Result<TransferResult> Filesystem::upload(Nothrow, const ByteSource& reader, std::string_view remote,
                                          const TransferOptions& options) {
  // A reader that fails must not end as a file that is merely shorter, so its failure cancels the call.
  std::stop_source stop;
  std::mutex mutex;
  std::exception_ptr failure;
  const std::stop_callback forward(options.stop, [&stop] { stop.request_stop(); });
  Result<TransferResult> result = ErrorInfo{};
  {
    detail::PumpSource source(reader, [&](std::exception_ptr thrown) {
      {
        std::lock_guard lock(mutex);
        failure = std::move(thrown);
      }
      stop.request_stop();
    });
    result = detail::send(*state_, source, remote, options, stop.get_token());
  }
  if (failure) std::rethrow_exception(failure);
  return result;
}

Result<TransferResult> Filesystem::download(Nothrow, std::string_view remote, const ByteSink& sink,
                                            const TransferOptions& options) {
  std::int64_t total = 0;
  if (options.onProgress) {
    auto entry = detail::statFile(*state_, remote, true, options.stop);
    if (!entry) return std::move(entry).error();
    total = std::max<std::int64_t>(entry->size, 0);
  }
  detail::Meter meter(options.onProgress, "download", total);
  auto done = detail::readFileTo(*state_, remote, {.offset = 0, .length = -1, .stop = options.stop},
                                 [&](std::span<const std::byte> bytes) {
                                   sink(bytes);
                                   meter.add(bytes.size());
                                 });
  if (!done) return std::move(done).error();
  meter.finish();
  return TransferResult{meter.done()};
}

Result<TransferResult> Filesystem::download(Nothrow, std::string_view remote, const std::filesystem::path& local,
                                            const TransferOptions& options) {
  detail::LocalFile file(local);
  if (auto opened = file.open(options.mode); !opened) return std::move(opened).error();
  try {
    auto done = download(nothrow, remote, ByteSink([&](std::span<const std::byte> bytes) {
                           if (!file.write(bytes)) throw detail::LocalWriteFailed{errno};
                         }),
                         options);
    if (!done) return done;
    if (auto committed = file.commit(); !committed) return std::move(committed).error();
    return done;
  } catch (const detail::LocalWriteFailed& failed) {
    return detail::localError("write", local, failed.error);
  }
}

}  // namespace computesdk

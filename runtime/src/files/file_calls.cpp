#include "files/file_calls.hpp"

#include "commands/input.hpp"
#include "core/errors.hpp"
#include "core/validate.hpp"
#include "files/emulated.hpp"

#include <algorithm>

namespace computesdk {
namespace detail {
namespace {

/// Beyond this, content goes through a source: the provider ABI takes no more at once.
constexpr std::size_t kInlineContentMax = std::size_t{1} << 20;

/// "Not found" may mean the file or the whole sandbox; the provider is asked which, and the answer put in promised
/// words.
ErrorInfo explainAbsence(SandboxState& sandbox, ErrorInfo error, const ErrorInfo& promised) {
  if (error.code != ErrorCode::notFound && error.code != ErrorCode::fileNotFound) return error;
  if (error.code == ErrorCode::notFound && sandbox.features().inspect) {
    auto info = sandbox.refresh({});
    if (!info && (info.error().code == ErrorCode::notFound || info.error().code == ErrorCode::sandboxGone)) {
      info.error().code = ErrorCode::sandboxGone;
      return std::move(info).error();
    }
  }
  ErrorInfo absent = promised;
  absent.provider = std::move(error.provider);
  absent.sandboxId = std::move(error.sandboxId);
  absent.requestId = std::move(error.requestId);
  return absent;
}

/// Puts a failure for absence in promised words.
template <typename T>
Result<T>&& orAbsent(SandboxState& sandbox, Result<T>&& result, const ErrorInfo& promised) {
  if (!result) result.error() = explainAbsence(sandbox, std::move(result.error()), promised);
  return std::move(result);
}

template <typename F>
auto fileCall(SandboxState& sandbox, const std::stop_token& stop, F&& f) {
  return sandbox.call(stop, deadlineIn(kControlTime), std::forward<F>(f));
}

Result<std::vector<FileEntry>> listFolder(SandboxState& sandbox, std::string_view path, const std::stop_token& stop) {
  if (!sandbox.features().fsList) return emulated::list(sandbox, path, stop);
  return fileCall(sandbox, stop, [&](const registry::Target& target, const registry::CallContext& context) {
    return sandbox.provider().fsList(target, path, context);
  });
}

}  // namespace

Result<void> readFileTo(SandboxState& sandbox, std::string_view path, const ReadOptions& options, const ByteSink& sink,
                        const std::function<void(std::int64_t)>& expect) {
  if (auto checked = checkPath("cannot read a file", path); !checked) return checked;
  if (options.offset < 0 || options.length < -1) {
    return invalidArgument("cannot read " + std::string(path), "the range is negative",
                           "give an offset of 0 or more, and -1 for all");
  }
  if (!sandbox.features().fsRead) {
    return orAbsent(sandbox, emulated::read(sandbox, path, options, sink), fileNotFound(path));
  }
  const registry::OutputFunction output = [&sink](OutputStream, std::span<const std::byte> bytes) { sink(bytes); };
  auto done = sandbox.call(
      options.stop, std::nullopt, [&](const registry::Target& target, const registry::CallContext& context) {
        registry::CallContext told = context;
        if (expect) told.onProgress = [&expect](const Progress& progress) { expect(progress.total); };
        return sandbox.provider().fsRead(target, path, options.offset, options.length, output, told);
      });
  return orAbsent(sandbox, std::move(done), fileNotFound(path));
}

Result<void> writeFileFrom(SandboxState& sandbox, std::string_view path, registry::InputSource& source,
                           const WriteOptions& options) {
  if (auto checked = checkPath("cannot write a file", path); !checked) return checked;
  if (!sandbox.features().fsWrite) return emulated::write(sandbox, path, source, options);
  const registry::FileWrite write{path, {}, &source, options.mode, options.parents};
  return sandbox.call(options.stop, std::nullopt,
                      [&](const registry::Target& target, const registry::CallContext& context) {
                        return sandbox.provider().fsWrite(target, write, context);
                      });
}

Result<void> writeFileBytes(SandboxState& sandbox, std::string_view path, std::span<const std::byte> content,
                            const WriteOptions& options) {
  if (!sandbox.features().fsWrite || content.size() > kInlineContentMax) {
    const auto source = bytesSource(content);
    return writeFileFrom(sandbox, path, *source, options);
  }
  if (auto checked = checkPath("cannot write a file", path); !checked) return checked;
  const registry::FileWrite write{path, content, nullptr, options.mode, options.parents};
  return fileCall(sandbox, options.stop, [&](const registry::Target& target, const registry::CallContext& context) {
    return sandbox.provider().fsWrite(target, write, context);
  });
}

Result<FileEntry> statFile(SandboxState& sandbox, std::string_view path, bool follow, const std::stop_token& stop) {
  if (auto checked = checkPath("cannot describe a file", path); !checked) return std::move(checked).error();
  if (!sandbox.features().fsStat) {
    return orAbsent(sandbox, emulated::stat(sandbox, path, follow, stop), fileNotFound(path));
  }
  auto entry = fileCall(sandbox, stop, [&](const registry::Target& target, const registry::CallContext& context) {
    return sandbox.provider().fsStat(target, path, follow, context);
  });
  return orAbsent(sandbox, std::move(entry), fileNotFound(path));
}

}  // namespace detail

namespace {

// A provider's word for a size is taken up to a bound: memory that nobody touches costs nothing, but has an end.
std::size_t roomFor(std::int64_t total) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(total, 0, 1 << 28));
}

}  // namespace

using detail::fileCall;
using registry::CallContext;
using registry::Target;

Result<std::string> Filesystem::readFile(Nothrow, std::string_view path, const ReadOptions& options) {
  std::string text;
  auto done = detail::readFileTo(
      *state_, path, options,
      [&text](std::span<const std::byte> bytes) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      },
      [&text](std::int64_t total) { text.reserve(roomFor(total)); });
  if (!done) return std::move(done).error();
  return text;
}

Result<std::vector<std::byte>> Filesystem::readFileBytes(Nothrow, std::string_view path, const ReadOptions& options) {
  std::vector<std::byte> content;
  auto done = detail::readFileTo(
      *state_, path, options,
      [&content](std::span<const std::byte> bytes) { content.insert(content.end(), bytes.begin(), bytes.end()); },
      [&content](std::int64_t total) { content.reserve(roomFor(total)); });
  if (!done) return std::move(done).error();
  return content;
}

Result<void> Filesystem::writeFile(Nothrow, std::string_view path, std::span<const std::byte> content,
                                   const WriteOptions& options) {
  return detail::writeFileBytes(*state_, path, content, options);
}

Result<void> Filesystem::mkdir(Nothrow, std::string_view path, bool parents, std::stop_token stop) {
  if (auto checked = detail::checkPath("cannot make a folder", path); !checked) return checked;
  if (!state_->features().fsMkdir) return detail::emulated::mkdir(*state_, path, parents, stop);
  return fileCall(*state_, stop, [&](const Target& target, const CallContext& context) {
    return state_->provider().fsMkdir(target, path, parents, 0, context);
  });
}

Result<std::vector<FileEntry>> Filesystem::readdir(Nothrow, std::string_view path, std::stop_token stop) {
  if (auto checked = detail::checkPath("cannot list a folder", path); !checked) return std::move(checked).error();
  auto entries = detail::listFolder(*state_, path, stop);
  if (entries) std::ranges::sort(*entries, {}, &FileEntry::name);
  return detail::orAbsent(*state_, std::move(entries), detail::directoryNotFound(path));
}

Result<bool> Filesystem::exists(Nothrow, std::string_view path, std::stop_token stop) {
  auto entry = detail::statFile(*state_, path, true, stop);
  if (entry) return true;
  if (entry.error().code == ErrorCode::fileNotFound) return false;
  return std::move(entry).error();
}

Result<void> Filesystem::remove(Nothrow, std::string_view path, bool recursive, std::stop_token stop) {
  if (auto checked = detail::checkPath("cannot remove a file", path); !checked) return checked;
  if (!state_->features().fsRemove) {
    return detail::orAbsent(*state_, detail::emulated::remove(*state_, path, recursive, stop),
                            detail::fileNotFound(path));
  }
  auto done = fileCall(*state_, stop, [&](const Target& target, const CallContext& context) {
    return state_->provider().fsRemove(target, path, recursive, context);
  });
  return detail::orAbsent(*state_, std::move(done), detail::fileNotFound(path));
}

Result<FileEntry> Filesystem::stat(Nothrow, std::string_view path, bool followSymlinks, std::stop_token stop) {
  return detail::statFile(*state_, path, followSymlinks, stop);
}

Result<void> Filesystem::rename(Nothrow, std::string_view from, std::string_view to, std::stop_token stop) {
  for (std::string_view path : {from, to}) {
    if (auto checked = detail::checkPath("cannot rename a file", path); !checked) return checked;
  }
  if (!state_->features().fsRename) {
    return detail::orAbsent(*state_, detail::emulated::rename(*state_, from, to, stop), detail::fileNotFound(from));
  }
  auto done = fileCall(*state_, stop, [&](const Target& target, const CallContext& context) {
    return state_->provider().fsRename(target, from, to, context);
  });
  return detail::orAbsent(*state_, std::move(done), detail::fileNotFound(from));
}

}  // namespace computesdk

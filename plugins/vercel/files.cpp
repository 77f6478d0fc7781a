#include "vercel/files.hpp"

#include "common/download.hpp"
#include "common/results.hpp"
#include "common/upload.hpp"
#include "vercel/archive.hpp"
#include "vercel/scripts.hpp"

#include <charconv>

namespace computesdk::vercel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::JsonValue;

/// How the scripts say what was wrong.
enum Code : std::int64_t { notThere = 41, thereAlready = 42, noFolder = 43, isFolder = 44, notEmpty = 45 };

// Fields of an entry, each ended by a NUL: kind, size, mode, time, owner, group, name, where a link leads.
constexpr std::string_view kList = R"sh(
[ -e "$1" ] || [ -L "$1" ] || exit 41
[ -d "$1" ] || exit 43
find "$1/" -maxdepth 1 -mindepth 1 -printf '%y\0%s\0%m\0%T@\0%u\0%g\0%f\0%l\0'
)sh";
constexpr std::string_view kStat = R"sh(
[ -e "$1" ] || { [ "$2" = itself ] && [ -L "$1" ]; } || exit 41
link=-P
[ "$2" = itself ] || link=-L
find $link "$1" -maxdepth 0 -printf '%y\0%s\0%m\0%T@\0%u\0%g\0%f\0%l\0'
)sh";
// Arguments: path, mode or nothing, "parents" or nothing.
constexpr std::string_view kMake = R"sh(
if [ "$3" = parents ]; then
  [ -e "$1" ] && { [ -d "$1" ] && exit 0; exit 42; }
  mkdir -p -- "$1" || exit 1
else
  [ -e "$1" ] || [ -L "$1" ] && exit 42
  [ -d "$(dirname -- "$1")" ] || exit 41
  mkdir -- "$1" || exit 1
fi
[ ! "$2" ] || chmod -- "$2" "$1"
)sh";
constexpr std::string_view kRemove = R"sh(
[ -e "$1" ] || [ -L "$1" ] || exit 41
if [ "$2" = recursive ]; then
  rm -rf -- "$1"
elif [ -d "$1" ] && [ ! -L "$1" ]; then
  [ "$(find "$1/" -maxdepth 1 -mindepth 1 -print -quit)" ] && exit 45
  rmdir -- "$1"
else
  rm -f -- "$1"
fi
)sh";
constexpr std::string_view kRename = R"sh(
[ -e "$1" ] || [ -L "$1" ] || exit 41
mkdir -p -- "$(dirname -- "$2")" || exit 1
mv -fT -- "$1" "$2"
)sh";
constexpr std::string_view kHasParent = R"sh([ -d "$(dirname -- "$1")" ] || exit 41)sh";
// Arguments: temporary name, path, number of parts, mode. Parts are put together first.
constexpr std::string_view kPlace = R"sh(
if [ "$3" -gt 0 ]; then
  : >"$1" && chmod -- "$4" "$1" || exit 1
  i=0
  while [ $i -lt "$3" ]; do
    cat -- "$1.$i" >>"$1" && rm -f -- "$1.$i" || exit 1
    i=$((i + 1))
  done
fi
[ -d "$2" ] && exit 44
mv -fT -- "$1" "$2"
)sh";

Error fileError(const ScriptResult& result, std::string_view path) {
  const std::string name = vendor::oneLine(path, 300);
  switch (result.code) {
    case notThere: return {CSDK_NOT_FOUND, "there is no " + name + " in the sandbox"};
    case thereAlready: return {CSDK_ALREADY_EXISTS, name + " is there already"};
    case noFolder: return {CSDK_INVALID_ARGUMENT, name + " is no folder"};
    case isFolder: return {CSDK_INVALID_ARGUMENT, name + " is a folder"};
    case notEmpty:
      return Error(CSDK_FAILED_PRECONDITION, name + " is a folder that is not empty")
          .fix("remove it with its contents (recursive)");
    default: break;
  }
  const std::string said = vendor::oneLine(result.err, 300);
  const auto says = [&](std::string_view words) { return vendor::containsNoCase(said, words); };
  Error error(CSDK_UNKNOWN, said.empty() ? "the sandbox could not do that with " + name : said);
  if (says("permission denied") || says("read-only") || says("not permitted")) {
    return {CSDK_PERMISSION_DENIED, said};
  }
  if (says("no space left") || says("quota")) {
    return Error(CSDK_RESOURCE_EXHAUSTED, said).errorClass(CSDK_ERROR_DISK_FULL);
  }
  if (says("not a directory") || says("is a directory")) return {CSDK_INVALID_ARGUMENT, said};
  if (says("no such file")) return {CSDK_NOT_FOUND, said};
  return error;
}

/// Runs a script on `path`; throws what its end means.
std::string onPath(Machine& machine, std::string_view script, std::string_view path,
                   std::vector<std::string> more = {}) {
  more.insert(more.begin(), std::string(path));
  ScriptResult result = runScript(machine, script, more);
  if (result.code != 0) throw fileError(result, path);
  return std::move(result.out);
}

/// "1795253756.4310000000" as milliseconds.
std::int64_t timeOf(std::string_view text) {
  double seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return static_cast<std::int64_t>(seconds * 1000);
}

/// The next field, ended by a NUL.
std::string_view take(std::string_view& rest) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) {
    throw Error(CSDK_UNAVAILABLE, "the sandbox's list of files breaks off").errorClass(CSDK_ERROR_PROTOCOL);
  }
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return field;
}

vendor::EntryResult takeEntry(std::string_view& rest) {
  vendor::EntryResult out;
  const std::string_view kind = take(rest), size = take(rest), mode = take(rest), time = take(rest);
  out.type = kind == "f"   ? CSDK_ENTRY_FILE
             : kind == "d" ? CSDK_ENTRY_DIRECTORY
             : kind == "l" ? CSDK_ENTRY_SYMLINK
                           : CSDK_ENTRY_OTHER;
  std::from_chars(size.data(), size.data() + size.size(), out.size);
  std::from_chars(mode.data(), mode.data() + mode.size(), out.mode, 8);
  out.modifiedMs = timeOf(time);
  out.owner = take(rest);
  out.group = take(rest);
  out.name = take(rest);
  out.linkTarget = take(rest);
  return out;
}

std::string modeText(std::uint32_t mode) {
  char octal[16];
  const int size = std::snprintf(octal, sizeof octal, "%o", mode & 07777U);
  return {octal, static_cast<std::size_t>(size)};
}

std::string withoutSlash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

/// An archive of one file on its way. How long a stream is shows at its end, and an archive says it before: so a long
/// one goes as parts, each a file, that are put together in the sandbox.
class Uploader {
 public:
  Uploader(Machine& machine, const csdk_fs_args& content, std::string temporary, std::uint32_t mode)
      : machine_(machine), input_(machine.session(), plugin::Input(content)), name_(std::move(temporary)), mode_(mode) {
    const plugin::Host& host = machine.session().call().host();
    seconds_ = host.table().now_wall_ms(host.self()) / 1000;
  }

  /// Number of parts; 0: it is whole.
  std::size_t run() {
    vendor::Request request = machine_.request("/fs/write");
    request.headers.emplace_back("Content-Type", "application/gzip");
    request.headers.emplace_back("X-Cwd", "/");
    request.streamBody = true;
    request.headTimeoutMs = 300000;
    vendor::Handlers handlers;
    handlers.head = [this](const Answer& head) { answer_ = head; };
    handlers.data = [this](std::string_view bytes) {
      if (answer_.body.size() < 65536) answer_.body += bytes;
    };
    handlers.end = [this] { over_ = true; };
    handlers.writable = [this] { paused_ = false; };
    number_ = machine_.session().start(request, std::move(handlers));
    put(Archive::begin());
    machine_.session().until([this] { return pump(); });
    if (!answer_.ok()) throw machine_.failure(answer_, true).error();
    return parts_;
  }

 private:
  static constexpr std::size_t kPart = std::size_t{4} << 20;

  void put(const std::string& bytes, std::uint32_t flags = 0) {
    paused_ = machine_.session().write(number_, bytes, flags) == CSDK_PAUSE;
  }

  bool pump() {
    while (!over_ && !paused_ && !sent_ && answer_.status == 0) {
      if (input_.next(piece_)) {
        part_ += piece_;
        if (part_.size() >= kPart) putPart();
      } else if (input_.ended()) {
        finish();
      } else {
        break;
      }
    }
    return over_;
  }

  void putPart() {
    put(archive_.file(name_.substr(1) + "." + std::to_string(parts_), part_, 0600, seconds_));
    ++parts_;
    part_.clear();
  }

  void finish() {
    std::string last;
    if (parts_ == 0) {
      last = archive_.file(name_.substr(1), part_, mode_, seconds_);
    } else if (!part_.empty()) {
      last = archive_.file(name_.substr(1) + "." + std::to_string(parts_++), part_, 0600, seconds_);
    }
    put(last + archive_.end(), CSDK_HTTP_FINAL);
    sent_ = true;
  }

  Machine& machine_;
  vendor::InputPump input_;
  const std::string name_;
  const std::uint32_t mode_;
  std::int64_t seconds_ = 0;
  Archive archive_;
  std::uint64_t number_ = 0;
  Answer answer_;
  std::string piece_, part_;
  std::size_t parts_ = 0;
  bool over_ = false, paused_ = false, sent_ = false;
};

}  // namespace

void readFile(Machine& machine, const csdk_fs_args& args) {
  const std::string path = machine.absolute(view(args.path));
  JsonValue body = JsonValue::object();
  body.set("path", path);
  vendor::Request request = machine.post("/fs/read", body);
  request.retry = vendor::Retry::idempotent;  // nothing is repeated after the answer's head
  const Answer answer = vendor::download(machine.session(), request, args);
  if (answer.ok()) return;
  const bool missing = answer.status == 404 && vendor::containsNoCase(answer.body, "no such file");
  if (missing) throw fileError({notThere, {}, {}}, path);
  const vendor::Failure failure = machine.failure(answer, false);
  if (failure.errorClass == CSDK_ERROR_GONE || failure.status != CSDK_NOT_FOUND) throw failure.error();
  throw fileError({notThere, {}, {}}, path);
}

void writeFile(Machine& machine, const csdk_fs_args& args) {
  const std::string path = withoutSlash(machine.absolute(view(args.path)));
  if ((args.flags & CSDK_FS_PARENTS) == 0) onPath(machine, kHasParent, path);
  // Beside the file, so that it takes its place at once.
  const std::string temporary = path.substr(0, path.rfind('/') + 1) + ".computesdk-" + newKey();
  const std::uint32_t mode = args.mode != 0 ? args.mode & 07777U : 0644U;
  try {
    const std::size_t parts = Uploader(machine, args, temporary, mode).run();
    const ScriptResult placed = runScript(machine, kPlace, {temporary, path, std::to_string(parts), modeText(mode)});
    if (placed.code != 0) throw fileError(placed, path);
  } catch (const Error& error) {
    const bool sandboxThere =
        error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    try {
      machine.session().beginCleanup(2000);
      if (sandboxThere) runScript(machine, "rm -f -- \"$1\" \"$1\".*", {temporary});
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void listFolder(Machine& machine, const csdk_fs_args& args) {
  const std::string path = withoutSlash(machine.absolute(view(args.path)));
  const std::string found = onPath(machine, kList, path);
  for (std::string_view rest = found; !rest.empty();) {
    vendor::EntryResult entry = takeEntry(rest);
    entry.path = (path == "/" ? "" : path) + "/" + entry.name;
    entry.emit(machine.session().call());
  }
}

void statPath(Machine& machine, const csdk_fs_args& args) {
  const std::string path = withoutSlash(machine.absolute(view(args.path)));
  const bool itself = (args.flags & CSDK_FS_NO_FOLLOW) != 0;
  const std::string found = onPath(machine, kStat, path, {itself ? "itself" : "through"});
  std::string_view rest = found;
  vendor::EntryResult entry = takeEntry(rest);
  entry.path = path;
  entry.emit(machine.session().call());
}

void makeFolder(Machine& machine, const csdk_fs_args& args) {
  const std::string path = withoutSlash(machine.absolute(view(args.path)));
  const bool parents = (args.flags & CSDK_FS_PARENTS) != 0;
  onPath(machine, kMake, path, {args.mode != 0 ? modeText(args.mode) : "", parents ? "parents" : ""});
}

void removePath(Machine& machine, const csdk_fs_args& args) {
  const std::string path = withoutSlash(machine.absolute(view(args.path)));
  onPath(machine, kRemove, path, {(args.flags & CSDK_FS_RECURSIVE) != 0 ? "recursive" : ""});
}

void renamePath(Machine& machine, const csdk_fs_args& args) {
  const std::string from = withoutSlash(machine.absolute(view(args.path)));
  onPath(machine, kRename, from, {withoutSlash(machine.absolute(view(args.to_path)))});
}

}  // namespace computesdk::vercel

#include "runloop/files.hpp"

#include "common/base64.hpp"
#include "common/download.hpp"
#include "common/multipart.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/upload.hpp"
#include "runloop/executions.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::JsonValue;

constexpr std::int64_t kTransferMs = 600000;  // as Runloop's own client has it for files

// Scripts print the shell's words about what failed, in English, and end with 1.
/// Arguments: what was uploaded, path, "parents" or "", mode or "", nonce.
constexpr std::string_view kPut = R"sh(
export LC_ALL=C
case $2 in */*) d=${2%/*}/ ;; *) d=./ ;; esac
n=${d}.computesdk-$5
fail() {
  rm -f -- "$1" "$n"
  exit 1
}
[ -z "$3" ] || mkdir -p -- "$d" || fail "$1"
[ -d "$d" ] || { echo "$d: No such file or directory" >&2; fail "$1"; }
[ ! -d "$2" ] || { echo "$2: Is a directory" >&2; fail "$1"; }
[ -z "$4" ] || chmod -- "$4" "$1" || fail "$1"
mv -f -- "$1" "$n" && mv -fT -- "$n" "$2" || fail "$1"
)sh";
/// Argument: folder. Prints the shell's folder, then fields of each entry, all ended by NULs, as base64.
constexpr std::string_view kListFolder = R"sh(
export LC_ALL=C
[ -d "$1" ] || { ls -d -- "$1" >/dev/null && echo "$1: Not a directory" >&2; exit 1; }
f=$(find "$1/" -mindepth 1 -maxdepth 1 -printf '%y\0%m\0%s\0%T@\0%u\0%g\0%l\0%f\0' | base64 -w0; kill -0 $$) || exit 1
printf '%s\0' "$PWD" | base64 -w0
echo " $f"
)sh";
/// Arguments: "-L" or "-P", path. The same of one entry.
constexpr std::string_view kStat = R"sh(
export LC_ALL=C
if ! { [ "$1" = -P ] && [ -L "$2" ] || [ -e "$2" ]; }; then
  ls -d -- "$2" >/dev/null && echo "No such file or directory" >&2
  exit 1
fi
printf '%s\0' "$PWD" | base64 -w0
echo " $(find "$1" "$2" -maxdepth 0 -printf '%y\0%m\0%s\0%T@\0%u\0%g\0%l\0%f\0' | base64 -w0)"
)sh";
/// Arguments: path, "parents" or "", mode or "".
constexpr std::string_view kMakeFolder = R"sh(
export LC_ALL=C
mkdir ${2:+-p} ${3:+-m "$3"} -- "$1"
)sh";
/// Arguments: path, "recursive" or "".
constexpr std::string_view kRemove = R"sh(
export LC_ALL=C
[ -e "$1" ] || [ -L "$1" ] || { ls -d -- "$1" >/dev/null; exit 1; }
if [ "$2" ]; then
  rm -rf -- "$1"
elif [ -d "$1" ] && [ ! -L "$1" ]; then
  rmdir -- "$1"
else
  rm -f -- "$1"
fi
)sh";
/// Arguments: from, to.
constexpr std::string_view kRename = R"sh(
export LC_ALL=C
mv -fT -- "$1" "$2"
)sh";

constexpr std::size_t kEntryFields = 8;

/// What the caller means, with the working directory that was asked for at create: without one it is the home folder,
/// for commands and the file API alike. Never begins with a dash.
std::string pathOf(const Devbox& devbox, csdk_str path) {
  std::string out(view(path));
  if (out.starts_with('/')) return out;
  const std::string& directory = devbox.memory().directory;
  return (directory.empty() ? "./" : directory + "/") + out;
}

Error notFound(std::string_view path) {
  return {CSDK_NOT_FOUND, "there is no " + vendor::oneLine(path, 300) + " in the devbox"};
}

/// What the words of a script that failed mean.
Error failureOf(const std::string& said, std::string_view path) {
  struct Meaning {
    std::string_view words;
    csdk_status status;
    std::uint32_t errorClass;
  };
  constexpr std::array kMeanings = {
      Meaning{"Permission denied", CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAIN},
      Meaning{"Operation not permitted", CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAIN},
      Meaning{"Read-only file system", CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAIN},
      Meaning{"No space left", CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL},
      Meaning{"File exists", CSDK_ALREADY_EXISTS, CSDK_ERROR_PLAIN},
      Meaning{"not empty", CSDK_FAILED_PRECONDITION, CSDK_ERROR_PLAIN},
      Meaning{"Not a directory", CSDK_FAILED_PRECONDITION, CSDK_ERROR_PLAIN},
      Meaning{"Is a directory", CSDK_FAILED_PRECONDITION, CSDK_ERROR_PLAIN},
      Meaning{"cannot overwrite", CSDK_FAILED_PRECONDITION, CSDK_ERROR_PLAIN},
  };
  if (said.find("No such file") != std::string::npos) return notFound(path);
  const std::string told = vendor::oneLine(path, 300) + ": " + vendor::oneLine(said, 300);
  for (const Meaning& meaning : kMeanings) {
    if (said.find(meaning.words) != std::string::npos)
      return Error(meaning.status, told).errorClass(meaning.errorClass);
  }
  return {CSDK_UNKNOWN, told};
}

std::string runOn(Devbox& devbox, std::string_view path, std::string_view script,
                  const std::vector<std::string>& args) {
  ScriptResult result = runScript(devbox, script, args);
  if (result.code != 0) throw failureOf(result.err, path);
  return std::move(result.out);
}

std::string octal(std::uint32_t mode) {
  if (mode == 0) return {};
  char text[16];
  const int size = std::snprintf(text, sizeof text, "%o", mode & 07777U);
  return {text, static_cast<std::size_t>(size)};
}

/// Texts that are ended by NULs each.
std::vector<std::string> fieldsOf(std::string_view base64) {
  const auto bytes = vendor::base64Decode(base64);
  if (!bytes) throw Error(CSDK_UNAVAILABLE, "a script's output did not arrive whole").errorClass(CSDK_ERROR_PROTOCOL);
  std::vector<std::string> fields;
  for (std::string_view rest = *bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    fields.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return fields;
}

template <class T>
T numberOf(std::string_view text, int base = 10) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

vendor::EntryResult entryOf(const std::string* field) {
  vendor::EntryResult entry;
  entry.type = field[0] == "f"   ? CSDK_ENTRY_FILE
               : field[0] == "d" ? CSDK_ENTRY_DIRECTORY
               : field[0] == "l" ? CSDK_ENTRY_SYMLINK
                                 : CSDK_ENTRY_OTHER;
  entry.mode = numberOf<std::uint32_t>(field[1], 8);
  entry.size = numberOf<std::int64_t>(field[2]);
  const std::size_t dot = std::min(field[3].find('.'), field[3].size());
  entry.modifiedMs = numberOf<std::int64_t>(std::string_view(field[3]).substr(0, dot)) * 1000;
  if (dot + 3 < field[3].size()) entry.modifiedMs += numberOf<int>(std::string_view(field[3]).substr(dot + 1, 3));
  entry.owner = field[4];
  entry.group = field[5];
  entry.linkTarget = field[6];
  entry.name = field[7];
  return entry;
}

/// Entries as a script prints them, and the folder that it ran in.
struct Entries {
  std::string folder;
  std::vector<vendor::EntryResult> list;

  explicit Entries(std::string_view printed) {
    const std::size_t space = std::min(printed.find(' '), printed.size());
    const std::vector<std::string> where = fieldsOf(printed.substr(0, space));
    if (!where.empty()) folder = where.front();
    const std::vector<std::string> fields = fieldsOf(printed.substr(std::min(space + 1, printed.size())));
    for (std::size_t i = 0; i + kEntryFields <= fields.size(); i += kEntryFields) list.push_back(entryOf(&fields[i]));
  }
  [[nodiscard]] std::string whole(std::string_view path) const {
    while (path.starts_with("./")) path.remove_prefix(2);
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path.starts_with('/') ? std::string(path) : folder + "/" + std::string(path);
  }
};

std::string_view nameOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.size() > 1 ? path.substr(path.rfind('/') + 1) : path;
}

}  // namespace

void readFile(Devbox& devbox, const csdk_fs_args& args) {
  const std::string path = pathOf(devbox, args.path);
  JsonValue body = JsonValue::object();
  body.set("path", path);
  vendor::Request request = devbox.repeatable("download_file", body);
  std::erase_if(request.headers, [](const auto& header) { return header.first == "Accept"; });
  request.headers.emplace_back("Accept", "application/octet-stream");
  request.headTimeoutMs = kTransferMs;
  const Answer answer = vendor::download(devbox.session(), request, args);  // Runloop sends whole files
  if (answer.ok()) return;
  const Error error = devbox.explain(answer, false);
  const bool gone = error.abi().error_class == CSDK_ERROR_GONE;
  const bool missing = answer.status == 404 || vendor::containsNoCase(answer.body, "no such file");
  if (!gone && missing) throw notFound(view(args.path));
  throw error;
}

void writeFile(Devbox& devbox, const csdk_fs_args& args) {
  const std::string path = pathOf(devbox, args.path);
  const std::string nonce = newNonce();
  // Where it can be written whatever the path is, and moved into its place in one step.
  const std::string temporary = "/tmp/.computesdk-upload-" + nonce;
  vendor::Multipart form;
  form.field("path", temporary).file("file", "content");
  vendor::Request request = devbox.api().request("POST", devbox.path("upload_file"));
  request.retry = vendor::Retry::idempotent;
  request.headTimeoutMs = kTransferMs;
  request.headers.emplace_back("Content-Type", form.contentType());
  const std::string parents = (args.flags & CSDK_FS_PARENTS) != 0 ? "parents" : "";
  try {
    const Answer answer = vendor::upload(devbox.session(), std::move(request), args, form.before(), form.after());
    if (!answer.ok()) throw devbox.explain(answer, false);
    runOn(devbox, view(args.path), kPut, {temporary, path, parents, octal(args.mode), nonce});
  } catch (const Error& error) {
    const std::uint32_t errorClass = error.abi().error_class;
    try {
      devbox.session().beginCleanup(2000);
      if (errorClass != CSDK_ERROR_GONE && errorClass != CSDK_ERROR_STOPPED) {
        runScript(devbox, "rm -f -- \"$1\"", {temporary});
      }
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void listFolder(Devbox& devbox, const csdk_fs_args& args) {
  const std::string path = pathOf(devbox, args.path);
  Entries entries(runOn(devbox, view(args.path), kListFolder, {path}));
  const std::string folder = entries.whole(path);
  for (vendor::EntryResult& entry : entries.list) {
    entry.path = folder == "/" ? "/" + entry.name : folder + "/" + entry.name;
    entry.emit(devbox.call());
  }
}

void statPath(Devbox& devbox, const csdk_fs_args& args) {
  const std::string path = pathOf(devbox, args.path);
  const bool follow = (args.flags & CSDK_FS_NO_FOLLOW) == 0;
  Entries entries(runOn(devbox, view(args.path), kStat, {follow ? "-L" : "-P", path}));
  if (entries.list.empty()) throw notFound(view(args.path));
  vendor::EntryResult& entry = entries.list.front();
  entry.path = entries.whole(path);
  entry.name = nameOf(entry.path);
  entry.emit(devbox.call());
}

void makeFolder(Devbox& devbox, const csdk_fs_args& args) {
  const std::string parents = (args.flags & CSDK_FS_PARENTS) != 0 ? "parents" : "";
  runOn(devbox, view(args.path), kMakeFolder, {pathOf(devbox, args.path), parents, octal(args.mode)});
}

void removePath(Devbox& devbox, const csdk_fs_args& args) {
  const std::string path = pathOf(devbox, args.path);
  const std::string_view name = nameOf(path);
  if (name == "/" || name == "." || name == "..") {
    throw Error(CSDK_INVALID_ARGUMENT, "'" + vendor::oneLine(view(args.path), 80) + "' is not to be removed");
  }
  const std::string recursive = (args.flags & CSDK_FS_RECURSIVE) != 0 ? "recursive" : "";
  runOn(devbox, view(args.path), kRemove, {path, recursive});
}

void renamePath(Devbox& devbox, const csdk_fs_args& args) {
  runOn(devbox, view(args.path), kRename, {pathOf(devbox, args.path), pathOf(devbox, args.to_path)});
}

}  // namespace computesdk::runloop

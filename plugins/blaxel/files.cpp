#include "blaxel/files.hpp"

#include "common/download.hpp"
#include "common/multipart.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/upload.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace computesdk::blaxel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

/// Above it Blaxel wants a file in parts.
constexpr std::size_t kPart = std::size_t{5} << 20;
constexpr std::int64_t kInputPauseMs = 2;

/// What the caller means, with the working directory that was asked for at create. The sandbox takes what is relative
/// from its own.
std::string pathOf(const Box& box, csdk_str path) {
  std::string out(view(path));
  return out.starts_with('/') || box.directory().empty() ? out : box.directory() + "/" + out;
}

/// A path as one segment of a URL.
std::string fileUrl(std::string_view path) { return "/filesystem/" + vendor::percentEncode(path); }

/// For a command, to which a name that looks like an option must not look so.
std::string argumentOf(const std::string& path) { return path.starts_with('/') ? path : "./" + path; }

std::string parentOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string octal(std::uint32_t mode) {
  char text[16];
  return {text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "%04o", mode & 07777U))};
}

Error notFound(std::string_view path) {
  return {CSDK_NOT_FOUND, "there is no " + vendor::oneLine(path, 300) + " in the sandbox"};
}

/// What a script that works on files says when it cannot.
[[noreturn]] void scriptFailed(const std::string& said, std::string_view path) {
  const std::string text = vendor::oneLine(said, 300);
  const auto says = [&](std::string_view words) { return vendor::containsNoCase(text, words); };
  if (says("no such file") || text == "none") throw notFound(path);
  csdk_status status = CSDK_UNKNOWN;
  if (says("permission") || says("read-only")) status = CSDK_PERMISSION_DENIED;
  if (says("file exists") || text == "there") status = CSDK_ALREADY_EXISTS;
  if (says("directory") && status == CSDK_UNKNOWN) status = CSDK_INVALID_ARGUMENT;
  if (says("no space left")) throw Error(CSDK_RESOURCE_EXHAUSTED, text).errorClass(CSDK_ERROR_DISK_FULL);
  throw Error(status, vendor::oneLine(path, 300) + ": " + (text.empty() ? "it did not work" : text));
}

void runOrFail(Box& box, std::string_view script, const std::vector<std::string>& args, std::string_view path) {
  int code = 0;
  const std::string said = box.script(script, args, &code);
  if (code != 0) scriptFailed(said, path);
}

/// A write's content in parts of kPart bytes.
class Parts {
 public:
  Parts(Box& box, const csdk_fs_args& args) : box_(box), pump_(box.session(), plugin::Input(args)) {}

  /// The next one; a short one is the last.
  std::string next() {
    std::string part = std::move(rest_);
    rest_.clear();
    std::string piece;
    const auto done = [&] {
      while (part.size() < kPart && pump_.next(piece)) part += piece;
      return part.size() >= kPart || pump_.ended();
    };
    // Without a request under way the session has nothing to wait for.
    while (!box_.session().until(done) && !done()) box_.session().pause(kInputPauseMs);
    if (part.size() > kPart) {
      rest_ = part.substr(kPart);
      part.resize(kPart);
    }
    return part;
  }

 private:
  Box& box_;
  vendor::InputPump pump_;
  std::string rest_;
};

vendor::Request formRequest(const Box& box, std::string_view method, const std::string& url, vendor::Multipart& form,
                            std::string_view content) {
  vendor::Request request = box.api().request(method, url);
  form.file("file", "file");
  request.headers.emplace_back("Content-Type", form.contentType());
  request.body = form.before();
  request.body += content;
  request.body += form.after();
  request.retry = vendor::Retry::idempotent;  // a name that nobody else writes to gets the same bytes
  return request;
}

void putContent(Box& box, const csdk_fs_args& args, const std::string& path, const std::string& permissions) {
  Parts parts(box, args);
  std::string part = parts.next();
  if (part.size() < kPart) {
    vendor::Multipart form;
    form.field("permissions", permissions).field("path", path);
    box.send(formRequest(box, "PUT", fileUrl(path), form, part));
    return;
  }
  JsonValue begin = JsonValue::object();
  begin.set("permissions", permissions);
  const Answer begun = box.send(box.api().post("/filesystem-multipart/initiate/" + vendor::percentEncode(path), begin));
  const JsonDocument upload = box.api().json(begun, "an upload");
  const std::string base = "/filesystem-multipart/" + vendor::pathSegment(upload.root().text("uploadId"));
  try {
    JsonValue list = JsonValue::array();
    for (std::int64_t number = 1; !part.empty(); ++number) {
      vendor::Multipart form;
      const std::string url = base + "/part?partNumber=" + std::to_string(number);
      const JsonDocument made = box.api().json(box.send(formRequest(box, "PUT", url, form, part)), "a part");
      JsonValue one = JsonValue::object();
      list.push(one.set("partNumber", number).set("etag", made.root().textOr("etag")));
      part = part.size() < kPart ? std::string() : parts.next();
    }
    JsonValue complete = JsonValue::object();
    complete.set("parts", std::move(list));
    box.send(box.api().post(base + "/complete", complete));
  } catch (const Error&) {
    try {
      box.session().beginCleanup(2000);
      box.send(box.api().remove(base + "/abort"), {404});
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

vendor::EntryResult fileOf(Json item) {
  vendor::EntryResult entry;
  entry.name = item.text("name");
  entry.path = item.textOr("path");
  entry.type = CSDK_ENTRY_FILE;
  entry.size = item.integerOr("size", -1);
  entry.mode =
      static_cast<std::uint32_t>(std::strtoul(std::string(item.textOr("permissions")).c_str(), nullptr, 8)) & 07777U;
  entry.modifiedMs = vendor::timeOr0(item.textOr("lastModified"));
  entry.owner = item.textOr("owner");
  entry.group = item.textOr("group");
  return entry;
}

/// Names of the links in a folder, which the API lists as files. NULs stand between them: any other byte may be in one.
std::set<std::string, std::less<>> linksIn(Box& box, const std::string& path) {
  const std::string said = box.script(
      R"(cd -- "$1" || exit 1; for f in * .*; do [ -h "$f" ] && printf '%s\0' "$f"; done; :)", {argumentOf(path)});
  std::set<std::string, std::less<>> names;
  for (std::size_t at = 0; at < said.size();) {
    const std::size_t end = std::min(said.find('\0', at), said.size());
    names.insert(said.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

}  // namespace

void readFile(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path);
  vendor::Request request = box.api().get(fileUrl(path));
  request.headers.emplace_back("Accept", "application/octet-stream");
  // A folder comes as JSON whatever was asked for.
  const auto isFile = [](const Answer& head) { return !head.header("content-type").starts_with("application/json"); };
  const Answer answer = vendor::download(box.session(), request, args, isFile);
  if (!answer.ok()) {
    const vendor::Failure failure = box.failure(answer);
    if (failure.status == CSDK_NOT_FOUND && failure.errorClass == CSDK_ERROR_PLAIN) throw notFound(path);
    throw failure.error();
  }
  if (!isFile(answer)) throw Error(CSDK_INVALID_ARGUMENT, vendor::oneLine(path, 300) + " is a folder");
}

void writeFile(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path), parent = parentOf(path);
  if ((args.flags & CSDK_FS_PARENTS) == 0) {
    runOrFail(box, R"([ -d "$1" ] || { echo none; exit 1; })", {argumentOf(parent)}, parent);
  }
  const std::string temporary = (parent == "." ? "" : parent == "/" ? "/" : parent + "/") + newName(".computesdk-");
  try {
    putContent(box, args, temporary, octal(args.mode != 0 ? args.mode : 0644));
    runOrFail(box, R"([ -d "$2" ] && { echo "is a directory"; exit 1; }; exec mv -f "$1" "$2" 2>&1)",
              {argumentOf(temporary), argumentOf(path)}, path);
  } catch (const Error& error) {
    const bool there = error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    try {
      box.session().beginCleanup(2000);
      if (there) box.send(box.api().remove(fileUrl(temporary) + "?recursive=false"), {404});
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void listFolder(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path);
  vendor::Request request = box.api().get(fileUrl(path));
  const Answer answer = box.session().fetch(request, vendor::kJsonMaxBytes);
  if (!answer.ok()) {
    const vendor::Failure failure = box.failure(answer);
    if (failure.status == CSDK_NOT_FOUND && failure.errorClass == CSDK_ERROR_PLAIN) throw notFound(path);
    throw failure.error();
  }
  const JsonDocument folder = box.api().json(answer, "list a folder");
  if (!folder["subdirectories"] && !folder["files"]) {
    throw Error(CSDK_INVALID_ARGUMENT, vendor::oneLine(path, 300) + " is not a folder");
  }
  std::vector<vendor::EntryResult> files;
  bool mayHaveLinks = false;
  for (const Json item : folder["files"].items()) {
    files.push_back(fileOf(item));
    mayHaveLinks = mayHaveLinks || files.back().mode == 0777 || files.back().mode == 0;
  }
  if (mayHaveLinks) {
    const auto links = linksIn(box, path);
    for (vendor::EntryResult& file : files) {
      if (links.contains(file.name)) file.type = CSDK_ENTRY_SYMLINK;
    }
  }
  for (const vendor::EntryResult& file : files) file.emit(box.session().call());
  for (const Json item : folder["subdirectories"].items()) {
    vendor::EntryResult entry;
    entry.name = item.text("name");
    entry.path = item.textOr("path");
    entry.type = CSDK_ENTRY_DIRECTORY;
    entry.emit(box.session().call());
  }
}

void statPath(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path);
  const bool follow = (args.flags & CSDK_FS_NO_FOLLOW) == 0;
  int code = 0;
  const std::string said = box.script(
      R"(if [ -e "$1" ] || { [ ! "$2" ] && [ -h "$1" ]; }; then :; else echo none; exit 1; fi
stat ${2:+-L} -c '%f|%s|%Y|%U|%G' "$1" 2>&1 || exit 1
echo "$PWD"
[ "$2" ] || readlink "$1")",
      {argumentOf(path), follow ? "L" : ""}, &code);
  if (code != 0 && said.find("\n/") == std::string::npos) scriptFailed(said, path);
  std::vector<std::string> fields;
  std::string_view rest = said;
  const std::size_t line = rest.find('\n');
  for (std::string_view first = rest.substr(0, line); fields.size() < 5;) {
    const std::size_t end = first.find('|');
    fields.emplace_back(first.substr(0, end));
    first.remove_prefix(end == std::string_view::npos ? first.size() : end + 1);
  }
  rest.remove_prefix(line == std::string_view::npos ? rest.size() : line + 1);
  vendor::EntryResult entry;
  const auto mode = static_cast<std::uint32_t>(std::strtoul(fields[0].c_str(), nullptr, 16));
  const std::uint32_t type = mode & 0170000U;
  entry.type = type == 0100000   ? CSDK_ENTRY_FILE
               : type == 0040000 ? CSDK_ENTRY_DIRECTORY
               : type == 0120000 ? CSDK_ENTRY_SYMLINK
                                 : CSDK_ENTRY_OTHER;
  entry.mode = mode & 07777U;
  entry.size = std::strtoll(fields[1].c_str(), nullptr, 10);
  entry.modifiedMs = std::strtoll(fields[2].c_str(), nullptr, 10) * 1000;
  entry.owner = fields[3];
  entry.group = fields[4];
  const std::string from(rest.substr(0, rest.find('\n')));
  entry.path = path.starts_with('/') ? path : from + "/" + path;
  while (entry.path.size() > 1 && entry.path.ends_with('/')) entry.path.pop_back();
  entry.name = entry.path == "/" ? "/" : entry.path.substr(entry.path.rfind('/') + 1);
  if (entry.type == CSDK_ENTRY_SYMLINK && rest.find('\n') != std::string_view::npos) {
    entry.linkTarget = rest.substr(rest.find('\n') + 1);
  }
  entry.emit(box.session().call());
}

void makeFolder(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path);
  const std::string mode = octal(args.mode != 0 ? args.mode : 0755);
  if ((args.flags & CSDK_FS_PARENTS) == 0) {
    return runOrFail(box, R"(if [ -e "$2" ] || [ -h "$2" ]; then echo there; exit 1; fi; exec mkdir -m "$1" "$2" 2>&1)",
                     {mode, argumentOf(path)}, path);
  }
  JsonValue body = JsonValue::object();
  body.set("isDirectory", true).set("permissions", mode);
  vendor::Request request = box.api().withBody("PUT", fileUrl(path), body);
  request.retry = vendor::Retry::idempotent;
  const Answer answer = box.session().fetch(request);
  if (answer.ok()) return;
  const vendor::Failure failure = box.failure(answer);
  if (failure.status == CSDK_INVALID_ARGUMENT || failure.says("file exists")) {
    throw Error(CSDK_ALREADY_EXISTS, vendor::oneLine(path, 300) + " is there already, and no folder");
  }
  throw failure.error();
}

void removePath(Box& box, const csdk_fs_args& args) {
  const std::string path = pathOf(box, args.path);
  const bool recursive = (args.flags & CSDK_FS_RECURSIVE) != 0;
  vendor::Request request = box.api().remove(fileUrl(path) + (recursive ? "?recursive=true" : "?recursive=false"));
  request.retry = vendor::Retry::notSent;  // what a lost answer left removed would not be found the second time
  const Answer answer = box.session().fetch(request);
  if (answer.ok()) return;
  vendor::Failure failure = box.failure(answer);
  if (failure.status == CSDK_NOT_FOUND && failure.errorClass == CSDK_ERROR_PLAIN) throw notFound(path);
  if (failure.status == CSDK_FAILED_PRECONDITION && failure.errorClass == CSDK_ERROR_PLAIN) {
    failure.fix = "remove it with its contents (recursive)";
  }
  throw failure.error();
}

void renamePath(Box& box, const csdk_fs_args& args) {
  const std::string from = pathOf(box, args.path), to = pathOf(box, args.to_path);
  runOrFail(box,
            R"(if [ -e "$1" ] || [ -h "$1" ]; then :; else echo none; exit 1; fi
[ -d "$2" ] && [ ! -h "$2" ] && { rmdir "$2" 2>&1 || exit 1; }
exec mv -f "$1" "$2" 2>&1)",
            {argumentOf(from), argumentOf(to)}, from);
}

}  // namespace computesdk::blaxel

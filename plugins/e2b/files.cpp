#include "e2b/files.hpp"

#include "common/download.hpp"
#include "common/multipart.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/upload.hpp"
#include "e2b/scripts.hpp"

#include <random>

namespace computesdk::e2b {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::string_view kStat = "filesystem.Filesystem/Stat";

/// What the caller means, with the working directory that was asked for at create. The daemon takes what is relative
/// from the user's home.
std::string pathOf(const Envd& envd, csdk_str path) {
  std::string out(view(path));
  const std::string& directory = envd.connection().directory;
  return out.starts_with('/') || directory.empty() ? out : directory + "/" + out;
}

std::string parentOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

JsonValue pathMessage(std::string_view path) {
  JsonValue message = JsonValue::object();
  message.set("path", path);
  return message;
}

Error notFound(std::string_view path) {
  return {CSDK_NOT_FOUND, "there is no " + vendor::oneLine(path, 300) + " in the sandbox"};
}

vendor::EntryResult entryOf(Json entry) {
  vendor::EntryResult out;
  out.name = entry.text("name");
  out.path = entry.textOr("path");
  const std::string_view type = entry.textOr("type");
  if (type == "FILE_TYPE_FILE") out.type = CSDK_ENTRY_FILE;
  if (type == "FILE_TYPE_DIRECTORY") out.type = CSDK_ENTRY_DIRECTORY;
  if (type == "FILE_TYPE_SYMLINK") out.type = CSDK_ENTRY_SYMLINK;
  out.size = entry.integerOr("size", 0);  // a field at its default is left out
  out.mode = static_cast<std::uint32_t>(entry.integerOr("mode", 0)) & 07777U;
  out.modifiedMs = vendor::timeOr0(entry.textOr("modifiedTime"));
  out.owner = entry.textOr("owner");
  out.group = entry.textOr("group");
  out.linkTarget = entry.textOr("symlinkTarget");
  return out;
}

/// Of the path itself; nothing when it is not there.
std::optional<vendor::EntryResult> lookAt(Envd& envd, std::string_view path) {
  const JsonDocument answer = envd.rpc(kStat, pathMessage(path), "not_found");
  if (!answer["entry"]) return {};
  vendor::EntryResult entry = entryOf(answer["entry"]);
  // A link may come with the type of what it points to.
  if (!entry.linkTarget.empty()) entry.type = CSDK_ENTRY_SYMLINK;
  return entry;
}

void setMode(Envd& envd, std::string_view path, std::uint32_t mode) {
  char octal[16];
  const int size = std::snprintf(octal, sizeof octal, "%o", mode & 07777U);
  const std::string said =
      runScript(envd, "chmod -- \"$1\" \"$2\" 2>&1", {{octal, static_cast<std::size_t>(size)}, std::string(path)});
  if (!said.empty()) throw Error(CSDK_PERMISSION_DENIED, "the mode cannot be set: " + vendor::oneLine(said, 300));
}

void requireParent(Envd& envd, std::string_view path) {
  const std::string parent = parentOf(path);
  if (!lookAt(envd, parent)) throw notFound(parent);
}

/// A name beside `path` that nobody else has.
std::string besides(std::string_view path) {
  std::random_device random;
  char name[64];
  const int size = std::snprintf(name, sizeof name, ".computesdk-%08x%08x", random(), random());
  std::string out = parentOf(path);
  if (!out.ends_with('/')) out += '/';
  return out += std::string_view(name, static_cast<std::size_t>(size));
}

JsonValue moveMessage(std::string_view from, std::string_view to) {
  JsonValue message = JsonValue::object();
  message.set("source", from).set("destination", to);
  return message;
}

}  // namespace

void readFile(Envd& envd, const csdk_fs_args& args) {
  vendor::Request request = envd.fileRequest("GET", pathOf(envd, args.path));
  // What was handed to the caller cannot be taken back, but nothing is repeated after the answer's head.
  vendor::addRange(request, args);
  const Answer answer = vendor::download(envd.session(), request, args);
  if (!answer.ok() && answer.status != 416) throw envd.failure(answer).error();  // 416: it begins behind the end
}

void writeFile(Envd& envd, const csdk_fs_args& args) {
  const std::string path = pathOf(envd, args.path);
  if ((args.flags & CSDK_FS_PARENTS) == 0) requireParent(envd, path);
  const std::string temporary = besides(path);
  vendor::Multipart form;
  vendor::Request request = envd.fileRequest("POST", temporary);
  request.headers.emplace_back("Content-Type", form.contentType());
  form.file("file", temporary);
  try {
    const Answer answer = vendor::upload(envd.session(), std::move(request), args, form.before(), form.after());
    if (!answer.ok()) throw envd.failure(answer).error();
    if (args.mode != 0) setMode(envd, temporary, args.mode);
    envd.rpc("filesystem.Filesystem/Move", moveMessage(temporary, path));
  } catch (const Error& error) {
    const bool sandboxThere =
        error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    try {
      envd.session().beginCleanup(2000);
      if (sandboxThere) envd.rpc("filesystem.Filesystem/Remove", pathMessage(temporary), "not_found");
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void listFolder(Envd& envd, const csdk_fs_args& args) {
  JsonValue message = pathMessage(pathOf(envd, args.path));
  message.set("depth", 1);
  const JsonDocument answer = envd.rpc("filesystem.Filesystem/ListDir", message);
  for (const Json entry : answer["entries"].items()) {
    vendor::EntryResult one = entryOf(entry);
    if (!one.linkTarget.empty()) one.type = CSDK_ENTRY_SYMLINK;
    one.emit(envd.session().call());
  }
}

void statPath(Envd& envd, const csdk_fs_args& args) {
  const std::string path = pathOf(envd, args.path);
  auto entry = lookAt(envd, path);
  // The daemon says where a link leads in the end; of one that leads nowhere it says the link itself, or what is
  // missing.
  for (int links = 0; entry && entry->type == CSDK_ENTRY_SYMLINK && (args.flags & CSDK_FS_NO_FOLLOW) == 0; ++links) {
    if (links == 8 || !entry->linkTarget.starts_with('/')) break;
    const std::string name = entry->name, shown = entry->path;
    if (entry->linkTarget == shown) throw notFound(path);
    entry = lookAt(envd, entry->linkTarget);
    if (entry) entry->name = name, entry->path = shown;
  }
  if (!entry) throw notFound(path);
  entry->emit(envd.session().call());
}

void makeFolder(Envd& envd, const csdk_fs_args& args) {
  const std::string path = pathOf(envd, args.path);
  const bool parents = (args.flags & CSDK_FS_PARENTS) != 0;
  if (!parents) requireParent(envd, path);
  try {
    envd.rpc("filesystem.Filesystem/MakeDir", pathMessage(path));
  } catch (const Error& error) {
    const bool taken = error.status() == CSDK_ALREADY_EXISTS || error.status() == CSDK_INVALID_ARGUMENT;
    const auto there = taken ? lookAt(envd, path) : std::nullopt;
    if (!there) throw;
    if (parents && there->type != CSDK_ENTRY_FILE) return;
    throw Error(CSDK_ALREADY_EXISTS, vendor::oneLine(path, 300) + " is there already");
  }
  if (args.mode != 0) setMode(envd, path, args.mode);
}

void removePath(Envd& envd, const csdk_fs_args& args) {
  const std::string path = pathOf(envd, args.path);
  // The daemon removes whole trees, and what is not there, without a word.
  const auto there = lookAt(envd, path);
  if (!there) throw notFound(path);
  if (there->type == CSDK_ENTRY_DIRECTORY && (args.flags & CSDK_FS_RECURSIVE) == 0) {
    JsonValue message = pathMessage(path);
    message.set("depth", 1);
    const JsonDocument inside = envd.rpc("filesystem.Filesystem/ListDir", message);
    if (inside["entries"].items().size() != 0) {
      throw Error(CSDK_FAILED_PRECONDITION, vendor::oneLine(path, 300) + " is a folder that is not empty")
          .fix("remove it with its contents (recursive)");
    }
  }
  envd.rpc("filesystem.Filesystem/Remove", pathMessage(path));
}

void renamePath(Envd& envd, const csdk_fs_args& args) {
  envd.rpc("filesystem.Filesystem/Move", moveMessage(pathOf(envd, args.path), pathOf(envd, args.to_path)));
}

}  // namespace computesdk::e2b

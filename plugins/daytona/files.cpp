#include "daytona/files.hpp"

#include "common/download.hpp"
#include "common/multipart.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/upload.hpp"
#include "daytona/control.hpp"

#include <charconv>

namespace computesdk::daytona {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;

/// What the caller means, with the working directory that was asked for at create. The daemon takes what is relative
/// from its own.
std::string pathOf(const Toolbox& toolbox, csdk_str path) {
  std::string out(view(path));
  const std::string& directory = toolbox.connection().directory;
  return out.starts_with('/') || directory.empty() ? out : directory + "/" + out;
}

std::string parentOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string_view nameOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

std::string onPath(std::string_view endpoint, std::string_view path) {
  return vendor::Query().add("path", path).on(endpoint);
}

Error notFound(std::string_view path) {
  return {CSDK_NOT_FOUND, "there is no " + vendor::oneLine(path, 300) + " in the sandbox"};
}

/// What went wrong, with the path in it.
Error failed(Toolbox& toolbox, const Answer& answer, std::string_view path, bool changes = false) {
  const vendor::Failure failure = toolbox.failure(answer, changes);
  const bool absent = failure.status == CSDK_NOT_FOUND && failure.errorClass != CSDK_ERROR_GONE;
  return absent ? notFound(path) : failure.error();
}

/// Permission bits as octal text, in one of the forms that daemons have: "0644", "644", "-rw-r--r--".
std::uint32_t modeOf(std::string_view permissions, std::string_view text) {
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(permissions.data(), permissions.data() + permissions.size(), mode, 8);
  if (!permissions.empty() && error == std::errc() && end == permissions.data() + permissions.size()) {
    return mode & 07777U;
  }
  if (text.size() < 9) return 0;
  mode = 0;
  for (const char c : text.substr(text.size() - 9)) mode = mode << 1 | (c != '-' ? 1U : 0U);
  return mode;
}

vendor::EntryResult entryOf(Json entry, std::string_view folder) {
  vendor::EntryResult out;
  out.name = entry.text("name");
  out.path = entry.textOr("path");
  if (!out.path.starts_with('/')) {
    out.path = std::string(folder) + (folder.ends_with('/') ? "" : "/") + out.name;
  }
  const std::string_view mode = entry.textOr("mode");
  out.type = CSDK_ENTRY_FILE;
  if (entry.booleanOr("isDir", false)) {
    out.type = CSDK_ENTRY_DIRECTORY;
  } else if (!mode.empty() && mode.front() != '-') {  // Go's letters: L a link, p a pipe, S a socket, D a device
    out.type = mode.front() == 'L' || mode.front() == 'l' ? CSDK_ENTRY_SYMLINK : CSDK_ENTRY_OTHER;
  }
  out.size = entry.integerOr("size", 0);
  out.mode = modeOf(entry.textOr("permissions"), mode);
  out.modifiedMs = vendor::timeOr0(entry.textOr("modifiedAt"));
  if (out.modifiedMs == 0) out.modifiedMs = vendor::timeOr0(entry.textOr("modTime"));
  out.owner = entry.textOr("owner");
  out.group = entry.textOr("group");
  return out;
}

/// Through links; nothing when it is not there.
std::optional<vendor::EntryResult> lookAt(Toolbox& toolbox, std::string_view path) {
  const Answer answer = toolbox.send(toolbox.request("GET", onPath("/files/info", path)), {400, 404, 500});
  if (!answer.ok()) {
    const vendor::Failure failure = toolbox.failure(answer);
    if (failure.status == CSDK_NOT_FOUND && failure.errorClass != CSDK_ERROR_GONE) return {};
    throw failure.error();
  }
  const JsonDocument entry = toolbox.json(answer, "a file's state");
  vendor::EntryResult out = entryOf(entry.root(), parentOf(path));
  out.name = nameOf(path);
  if (path.starts_with('/')) out.path = path;
  return out;
}

JsonDocument listed(Toolbox& toolbox, std::string_view path) {
  const Answer answer = toolbox.send(toolbox.request("GET", onPath("/files", path)), {400, 404, 500});
  if (!answer.ok()) throw failed(toolbox, answer, path);
  return toolbox.json(answer, "a folder's list");
}

/// The path itself, not what it leads to; nothing when it is not there. The daemon tells links apart in lists only.
std::optional<vendor::EntryResult> lookAtItself(Toolbox& toolbox, std::string_view path) {
  const std::string parent = parentOf(path);
  const std::string_view name = nameOf(path);
  if (name.empty() || name == "." || name == "..") return lookAt(toolbox, path);
  try {
    const JsonDocument list = listed(toolbox, parent);
    for (const Json entry : list.root().items()) {
      if (entry.textOr("name") == name) return entryOf(entry, parent);
    }
  } catch (const Error& error) {
    if (error.status() != CSDK_NOT_FOUND || error.abi().error_class == CSDK_ERROR_GONE) throw;
  }
  return {};
}

void requireParent(Toolbox& toolbox, std::string_view path) {
  const std::string parent = parentOf(path);
  if (!lookAt(toolbox, parent)) throw notFound(parent);
}

void setMode(Toolbox& toolbox, std::string_view path, std::uint32_t mode) {
  char octal[16];
  const int size = std::snprintf(octal, sizeof octal, "%o", mode & 07777U);
  vendor::Query query;
  query.add("path", path).add("mode", {octal, static_cast<std::size_t>(size)});
  vendor::Request request = toolbox.request("POST", query.on("/files/permissions"));
  request.retry = vendor::Retry::idempotent;
  toolbox.send(request);
}

Answer move(Toolbox& toolbox, std::string_view from, std::string_view to) {
  vendor::Query query;
  query.add("source", from).add("destination", to);
  return toolbox.send(toolbox.request("POST", query.on("/files/move")), {400, 404, 500});
}

}  // namespace

void readFile(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  vendor::Request request = toolbox.request("GET", onPath("/files/download", path));
  vendor::addRange(request, args);  // a daemon that knows no ranges sends all of it
  const Answer answer = vendor::download(toolbox.session(), request, args);
  if (!answer.ok() && answer.status != 416) throw failed(toolbox, answer, path);  // 416: it begins behind the end
}

void writeFile(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  const std::string parent = parentOf(path);
  if ((args.flags & CSDK_FS_PARENTS) == 0) requireParent(toolbox, path);
  const auto there = lookAt(toolbox, path);
  if (there && there->type == CSDK_ENTRY_DIRECTORY) {
    throw Error(CSDK_INVALID_ARGUMENT, vendor::oneLine(path, 300) + " is a folder");
  }
  // A new file takes the old one's place as a whole, so that no reader sees a part.
  const std::string temporary = parent + (parent.ends_with('/') ? "" : "/") + ".computesdk-" + randomWord();
  vendor::Multipart form;
  form.file("file", nameOf(temporary));
  vendor::Request request = toolbox.request("POST", onPath("/files/upload", temporary));
  request.headers.emplace_back("Content-Type", form.contentType());
  request.retry = args.source == nullptr ? vendor::Retry::idempotent : vendor::Retry::notSent;
  request.headTimeoutMs = 1800000;
  try {
    const Answer answer = vendor::upload(toolbox.session(), std::move(request), args, form.before(), form.after());
    if (!answer.ok()) throw failed(toolbox, answer, path);
    const std::uint32_t mode = args.mode != 0 ? args.mode : there ? there->mode : 0;
    if (mode != 0) setMode(toolbox, temporary, mode);
    const Answer moved = move(toolbox, temporary, path);
    if (!moved.ok()) throw failed(toolbox, moved, path, true);
  } catch (const Error& error) {
    const bool sandboxThere =
        error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    try {
      toolbox.session().beginCleanup(2000);
      if (sandboxThere) toolbox.send(toolbox.request("DELETE", onPath("/files", temporary)), {400, 404, 500});
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

void listFolder(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  const JsonDocument list = listed(toolbox, path);
  for (const Json entry : list.root().items()) entryOf(entry, path).emit(toolbox.session().call());
}

void statPath(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  const auto entry = (args.flags & CSDK_FS_NO_FOLLOW) != 0 ? lookAtItself(toolbox, path) : lookAt(toolbox, path);
  if (!entry) throw notFound(path);
  entry->emit(toolbox.session().call());
}

void makeDirectory(Toolbox& toolbox, std::string_view path) {
  vendor::Request request =
      toolbox.request("POST", vendor::Query().add("path", path).add("mode", "755").on("/files/folder"));
  request.retry = vendor::Retry::idempotent;
  toolbox.send(request);
}

void makeFolder(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  const bool parents = (args.flags & CSDK_FS_PARENTS) != 0;
  if (!parents) requireParent(toolbox, path);
  const auto there = lookAt(toolbox, path);
  if (there && (!parents || there->type != CSDK_ENTRY_DIRECTORY)) {
    throw Error(CSDK_ALREADY_EXISTS, vendor::oneLine(path, 300) + " is there already");
  }
  if (!there) makeDirectory(toolbox, path);
  if (!there && args.mode != 0) setMode(toolbox, path, args.mode);
}

void removePath(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string path = pathOf(toolbox, args.path);
  // What is there matters: the daemon refuses every folder without the flag, an empty one too.
  const auto there = lookAtItself(toolbox, path);
  if (!there) throw notFound(path);
  vendor::Query query;
  query.add("path", path);
  if (there->type == CSDK_ENTRY_DIRECTORY) {
    if ((args.flags & CSDK_FS_RECURSIVE) == 0 && listed(toolbox, path).root().items().size() != 0) {
      throw Error(CSDK_FAILED_PRECONDITION, vendor::oneLine(path, 300) + " is a folder that is not empty")
          .fix("remove it with its contents (recursive)");
    }
    query.add("recursive", "true");
  }
  // A repeated one may find that it had been done.
  const Answer answer = toolbox.send(toolbox.request("DELETE", query.on("/files")), {400, 404, 500});
  if (!answer.ok() && answer.status != 404) throw failed(toolbox, answer, path);
}

void renamePath(Toolbox& toolbox, const csdk_fs_args& args) {
  const std::string from = pathOf(toolbox, args.path);
  const Answer answer = move(toolbox, from, pathOf(toolbox, args.to_path));
  if (!answer.ok()) throw failed(toolbox, answer, from, true);
}

}  // namespace computesdk::daytona

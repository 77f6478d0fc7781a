#include "verbs/copy.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/units.hpp"

namespace computesdk::cli {
namespace {

std::string join(const std::string& folder, std::string_view name) {
  return folder.ends_with('/') ? folder + std::string(name) : folder + "/" + std::string(name);
}

/// Last component, without trailing slashes; empty for "/", "." and "..".
std::string baseName(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::string name = path.substr(path.rfind('/') + 1);
  return name == "." || name == ".." || name == "/" ? std::string{} : name;
}

/// Names in a local folder, without "." and "..". Sets errno and answers nothing when it cannot be read.
std::optional<std::vector<std::string>> localNames(const std::string& folder) {
  struct Close {
    void operator()(DIR* d) const { closedir(d); }
  };
  std::unique_ptr<DIR, Close> open(opendir(folder.c_str()));
  if (!open) return std::nullopt;
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(open.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    errno = 0;
  }
  if (errno != 0) return std::nullopt;
  return names;
}

ErrorInfo stopped() {
  ErrorInfo error;
  error.code = ErrorCode::cancelled;
  error.what = "copying was stopped";
  return error;
}

}  // namespace

CopySide parseCopySide(std::string_view word) {
  bool local = word.empty() || word.front() == '/' || word.front() == '.' || word.front() == '~';
  if (local) return {{}, std::string(word)};
  // Names may hold a slash, and ids a colon; a path inside is nearly always absolute.
  auto colon = word.find(":/");
  if (colon == std::string_view::npos) colon = word.find(':');
  if (colon == std::string_view::npos) return {{}, std::string(word)};
  return {std::string(word.substr(0, colon)), std::string(word.substr(colon + 1))};
}

bool isPlainName(std::string_view name) noexcept {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

TransferOptions Copier::options(const std::string& name, std::uint32_t mode) {
  TransferOptions options;
  options.mode = mode & 0777U;
  options.stop = stopToken();
  options.onProgress = [this, name](const Progress& progress) { line_.bar(name, progress.done, progress.total); };
  return options;
}

Result<void> Copier::uploadFile(const std::string& local, const std::string& remote, std::uint32_t mode) {
  auto done = files_.upload(nothrow, std::filesystem::path(local), remote, options(baseName(local), mode));
  if (!done) return std::move(done).error();
  bytes_ += done->bytes;
  ++count_;
  return {};
}

Result<void> Copier::uploadFolder(const std::string& local, const std::string& remote) {
  std::vector<std::pair<std::string, std::string>> pending = {{local, remote}};
  while (!pending.empty()) {
    auto [from, to] = std::move(pending.back());
    pending.pop_back();
    if (auto made = files_.mkdir(nothrow, to, true, stopToken()); !made) return made;
    auto names = localNames(from);
    if (!names) return fileFailure("read", from, errno);
    for (const std::string& name : *names) {
      if (interrupted() != 0) return stopped();
      std::string path = join(from, name);
      struct stat status = {};
      struct stat link = {};
      if (lstat(path.c_str(), &link) != 0 || stat(path.c_str(), &status) != 0) {
        skipped_.push_back(path + ": " + fileFailure("read", path, errno).why);
      } else if (S_ISREG(status.st_mode)) {
        if (auto done = uploadFile(path, join(to, name), status.st_mode); !done) return done;
      } else if (S_ISDIR(status.st_mode) && !S_ISLNK(link.st_mode)) {
        pending.emplace_back(path, join(to, name));
      } else {
        skipped_.push_back(path + (S_ISLNK(link.st_mode) ? ": a link to a folder" : ": neither a file nor a folder"));
      }
    }
  }
  return {};
}

Result<void> Copier::upload(const std::string& local, const std::string& remote) {
  struct stat status = {};
  if (stat(local.c_str(), &status) != 0) return fileFailure("read", local, errno);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return usageFailure("cannot copy " + printable(local), "it is neither a file nor a folder", "name one of these");
  }
  std::string target = remote;
  auto there = files_.stat(nothrow, remote, true, stopToken());
  if (!there && there.error().code != ErrorCode::fileNotFound) return std::move(there).error();
  bool into = (there && there->type == EntryType::directory) || remote.ends_with('/');
  if (into && !baseName(local).empty()) target = join(remote, baseName(local));
  return S_ISREG(status.st_mode) ? uploadFile(local, target, status.st_mode) : uploadFolder(local, target);
}

Result<void> Copier::downloadFile(const FileEntry& entry, const std::string& remote, const std::string& local) {
  auto done = files_.download(nothrow, remote, std::filesystem::path(local), options(baseName(remote), entry.mode));
  if (!done) return std::move(done).error();
  bytes_ += done->bytes;
  ++count_;
  return {};
}

Result<void> Copier::downloadEntry(const FileEntry& entry, const std::string& remote, const std::string& local,
                                   std::vector<std::pair<std::string, std::string>>& pending) {
  if (entry.type == EntryType::directory) {
    pending.emplace_back(remote, local);
    return {};
  }
  FileEntry target = entry;
  if (entry.type == EntryType::symlink) {
    auto followed = files_.stat(nothrow, remote, true, stopToken());
    if (!followed && followed.error().code != ErrorCode::fileNotFound) return std::move(followed).error();
    target.type = followed ? followed->type : EntryType::other;
    if (followed) target.mode = followed->mode;
  }
  if (target.type == EntryType::file) return downloadFile(target, remote, local);
  skipped_.push_back(remote +
                     (entry.type == EntryType::symlink ? ": a link, not to a file" : ": neither a file nor a folder"));
  return {};
}

Result<void> Copier::downloadFolder(const std::string& remote, const std::string& local) {
  std::vector<std::pair<std::string, std::string>> pending = {{remote, local}};
  while (!pending.empty()) {
    auto [from, to] = std::move(pending.back());
    pending.pop_back();
    struct stat status = {};
    // A link that stands in the place of a folder was not put there by us and is not walked through.
    if (mkdir(to.c_str(), 0777) != 0 &&
        (errno != EEXIST || lstat(to.c_str(), &status) != 0 || (!S_ISDIR(status.st_mode) && to != local))) {
      return fileFailure("make the folder", to, errno);
    }
    auto entries = files_.readdir(nothrow, from, stopToken());
    if (!entries) return std::move(entries).error();
    for (const FileEntry& entry : *entries) {
      if (interrupted() != 0) return stopped();
      if (!isPlainName(entry.name)) {
        skipped_.push_back(join(from, entry.name) + ": its name is no plain file name");
        continue;
      }
      if (auto done = downloadEntry(entry, join(from, entry.name), join(to, entry.name), pending); !done) return done;
    }
  }
  return {};
}

Result<void> Copier::download(const std::string& remote, const std::string& local) {
  auto source = files_.stat(nothrow, remote, true, stopToken());
  if (!source) return std::move(source).error();
  if (source->type != EntryType::file && source->type != EntryType::directory) {
    return usageFailure("cannot copy " + printable(remote), "it is neither a file nor a folder", "name one of these");
  }
  struct stat status = {};
  bool into = (stat(local.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) || local.ends_with('/');
  std::string target = local;
  if (into && !baseName(remote).empty()) target = join(local, baseName(remote));
  return source->type == EntryType::file ? downloadFile(*source, remote, target) : downloadFolder(remote, target);
}

}  // namespace computesdk::cli

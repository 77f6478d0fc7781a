#include "files/file_info.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "files/io.hpp"

namespace computesdk::sandboxd {
namespace {

struct FolderCloser {
  void operator()(DIR* folder) const { closedir(folder); }
};

std::chrono::system_clock::time_point timeOf(const struct timespec& time) {
  using std::chrono::duration_cast;
  const auto since = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  return std::chrono::system_clock::time_point(duration_cast<std::chrono::system_clock::duration>(since));
}

}  // namespace

std::string fileInfoJson(const std::string& asked, const struct stat& info) {
  return JsonObject()
      .text("name", lastName(asked))
      .text("path", asked)
      .number("size", info.st_size)
      .boolean("is_dir", S_ISDIR(info.st_mode))
      .text("modified_at", timestamp(timeOf(info.st_mtim)))
      .str();
}

Result<std::string> fileInfo(const AskedPath& path) {
  struct stat info {};
  if (stat(path.absolute.c_str(), &info) == 0) return fileInfoJson(path.asked, info);
  if (errno == ENOENT || errno == ENOTDIR) return fileMissing(path.absolute);
  return ioFailure(errno, "Cannot look at " + path.absolute);
}

Result<std::string> listFolder(const AskedPath& path) {
  const int descriptor = open(path.absolute.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, FolderCloser> folder(descriptor < 0 ? nullptr : fdopendir(descriptor));
  if (!folder) {
    const int number = errno;
    struct stat info {};
    if (number == ENOTDIR && stat(path.absolute.c_str(), &info) == 0) {
      return invalid("Not a directory: " + path.absolute);
    }
    if (number == ENOENT || number == ENOTDIR) return folderMissing(path.absolute);
    return ioFailure(number, "Cannot list " + path.absolute);
  }
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = readdir(folder.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return ioFailure(errno, "Cannot list " + path.absolute);
  std::sort(names.begin(), names.end());
  std::string json = "[";
  for (const std::string& name : names) {
    struct stat info {};
    const int in = dirfd(folder.get());
    if (fstatat(in, name.c_str(), &info, 0) != 0 && fstatat(in, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;  // gone meanwhile
    }
    if (json.size() > 1) json += ',';
    json += fileInfoJson(joinPath(path.asked, name), info);
  }
  return json += ']';
}

}  // namespace computesdk::sandboxd

#include "files/paths.hpp"

#include <sys/stat.h>

#include <computesdk/serving/message.hpp>
#include <optional>
#include <utility>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

bool isThere(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace

Result<AskedPath> askedPath(const std::string& directory, std::string_view path) {
  if (path.empty()) return invalid("path must not be empty");
  if (path.find('\0') != std::string_view::npos) return invalid("path must not hold a NUL character");
  if (path.front() == '/') return AskedPath{std::string(path), std::string(path)};
  return AskedPath{std::string(path), joinPath(directory, path)};
}

Result<AskedPath> askedInUrl(const std::string& directory, std::string_view remainder, LostSlash lost) {
  const std::optional<std::string> path = serving::percentDecode(remainder);
  if (!path) return invalid("path is not percent-encoded rightly");
  Result<AskedPath> below = askedPath(directory, *path);
  if (lost == LostSlash::kNever || !below || path->front() == '/' || isThere(below->absolute)) return below;
  AskedPath fromRoot{"/" + *path, "/" + *path};
  if (isThere(fromRoot.absolute)) return fromRoot;
  // Neither is there. An error names the one whose first folder is.
  const std::string first = path->substr(0, path->find('/'));
  const bool meantRoot = first.size() < path->size() && !isThere(joinPath(directory, first)) && isThere("/" + first);
  return meantRoot ? fromRoot : below;
}

std::string normalPath(std::string_view absolute) {
  std::string path;
  for (std::size_t begin = 0; begin < absolute.size();) {
    const std::size_t end = std::min(absolute.find('/', begin), absolute.size());
    const std::string_view name = absolute.substr(begin, end - begin);
    if (!name.empty() && name != ".") path.append("/").append(name);
    begin = end + 1;
  }
  return path.empty() ? "/" : path;
}

std::string joinPath(std::string_view path, std::string_view name) {
  std::string joined(path);
  if (!joined.ends_with('/')) joined += '/';
  return joined.append(name);
}

std::string lastName(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path == "/" ? path : path.substr(path.rfind('/') + 1));
}

std::string folderOf(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return std::string(slash == 0 || slash == std::string_view::npos ? "/" : path.substr(0, slash));
}

}  // namespace computesdk::sandboxd

#include "overlays/copy_tree.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "files/io.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// What holds many files that nobody looks at in the first second.
constexpr std::string_view kHeavy[] = {"node_modules", ".venv",  "venv",        ".pnpm-store", "vendor",
                                       ".next",        ".nuxt",  ".cache",      ".gradle",     ".m2",
                                       "target",       ".cargo", "__pycache__", ".tox",        "bower_components"};

struct CopiedFolderCloser {
  void operator()(DIR* folder) const { closedir(folder); }
};

bool sameFile(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Opens a folder below another, name by name, through no link.
UniqueFd openBelow(int top, const std::string& relative) {
  UniqueFd at(openat(top, ".", kFolder));
  for (std::size_t begin = 0; at && begin < relative.size();) {
    const std::size_t end = std::min(relative.find('/', begin), relative.size());
    at.reset(openat(at.get(), relative.substr(begin, end - begin).c_str(), kFolder));
    begin = end + 1;
  }
  return at;
}

std::optional<std::vector<std::string>> namesIn(int descriptor) {
  const int own = openat(descriptor, ".", kFolder);
  const std::unique_ptr<DIR, CopiedFolderCloser> folder(own < 0 ? nullptr : fdopendir(own));
  if (!folder) {
    if (own >= 0) close(own);
    return {};
  }
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = readdir(folder.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return {};
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool CopyTree::begin() {
  if (source_) return true;
  source_.reset(open(options_.source.c_str(), kFolder));
  if (!source_ || fstat(source_.get(), &sourceInfo_) != 0) return fail(errno, "");
  target_.reset(open(options_.target.c_str(), kFolder));
  if (!target_ || fstat(target_.get(), &targetInfo_) != 0) return fail(errno, "");
  return true;
}

bool CopyTree::copySmall() {
  deadline_ = std::chrono::steady_clock::now() + options_.patience;
  return begin() && copyFolders({""}) && (moreToDo() || setFolderModes());
}

bool CopyTree::copyRest(const std::function<void()>& progress) {
  background_ = true;
  progress_ = progress;
  for (const std::string& relative : std::exchange(later_, {})) {
    const std::size_t slash = relative.rfind('/');
    Place place;
    const Opened opened = openPlace(slash == std::string::npos ? "" : relative.substr(0, slash), place);
    if (opened == Opened::kFailed) return false;
    if (opened == Opened::kSkipped) continue;
    std::vector<std::string> folders;
    if (!copyEntry(place, relative.substr(slash + 1), folders) || !copyFolders(std::move(folders))) return false;
  }
  return setFolderModes();
}

bool CopyTree::copyFolders(std::vector<std::string> folders) {
  while (!folders.empty()) {
    Place place;
    const std::string relative = std::move(folders.back());
    folders.pop_back();
    const Opened opened = openPlace(relative, place);
    if (opened == Opened::kFailed) return false;
    if (opened == Opened::kSkipped) continue;
    const auto names = namesIn(place.source.get());
    if (!names) return fail(errno, relative);
    for (const std::string& name : *names) {
      if (cancelled_) return fail(ECANCELED, relative);
      if (!copyEntry(place, name, folders)) return false;
    }
    if (progress_) progress_();
  }
  return true;
}

CopyTree::Opened CopyTree::openPlace(const std::string& relative, Place& place) {
  place.relative = relative;
  place.source = openBelow(source_.get(), relative);
  if (!place.source && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return Opened::kSkipped;
  if (!place.source) return fail(errno, relative), Opened::kFailed;
  place.target = openBelow(target_.get(), relative);
  struct stat info {};
  const bool there = place.target && fstat(place.target.get(), &info) == 0;
  if (!there && errno != ENOTDIR && errno != ELOOP && errno != ENOENT) return fail(errno, relative), Opened::kFailed;
  // Something else has its name in the target, or it is the source itself, below the target.
  if (there && !sameFile(info, sourceInfo_)) return Opened::kYes;
  skip(relative);
  return Opened::kSkipped;
}

bool CopyTree::putOff(const std::string& name, const struct stat& info) const {
  if (background_) return false;
  if (S_ISDIR(info.st_mode) && std::find(std::begin(kHeavy), std::end(kHeavy), name) != std::end(kHeavy)) return true;
  if (S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) >= options_.largeFile) return true;
  return std::chrono::steady_clock::now() > deadline_;
}

bool CopyTree::copyEntry(const Place& place, const std::string& name, std::vector<std::string>& folders) {
  const std::string relative = place.below(name);
  struct stat info {};
  if (fstatat(place.source.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT || fail(errno, relative);
  }
  const bool wanted = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode);
  if (!wanted || name == ".git" || options_.ignored.matches(relative) || sameFile(info, targetInfo_)) {
    skip(relative);
    return true;
  }
  if (putOff(name, info)) {
    later_.push_back(relative);
    return true;
  }
  if (S_ISDIR(info.st_mode)) return makeFolder(place, name, info, folders);
  return S_ISLNK(info.st_mode) ? copyLink(place, name) : copyFile(place, name);
}

bool CopyTree::makeFolder(const Place& place, const std::string& name, const struct stat& info,
                          std::vector<std::string>& folders) {
  const std::string relative = place.below(name);
  const mode_t mode = info.st_mode & 0777;
  if (mkdirat(place.target.get(), name.c_str(), mode | S_IRWXU) == 0) {
    ++counts_.folders;
    if ((mode & S_IRWXU) != S_IRWXU) folderModes_.emplace_back(relative, mode);
  } else if (errno != EEXIST) {
    return fail(errno, relative);
  }
  folders.push_back(relative);
  return true;
}

// Once nothing more is written into them.
bool CopyTree::setFolderModes() {
  for (auto at = folderModes_.rbegin(); at != folderModes_.rend(); ++at) {
    const UniqueFd folder = openBelow(target_.get(), at->first);
    if (folder && fchmod(folder.get(), at->second) != 0) return fail(errno, at->first);
  }
  folderModes_.clear();
  return true;
}

void CopyTree::skip(const std::string& relative) {
  constexpr std::size_t kTold = 1000;
  if (counts_.skipped.size() < kTold) counts_.skipped.push_back(relative);
}

bool CopyTree::fail(int number, const std::string& relative) {
  const std::string path = relative.empty() ? options_.source : joinPath(options_.source, relative);
  error_ = ioFailure(number, "Cannot copy " + path).what;
  return false;
}

}  // namespace computesdk::sandboxd

#include "trust/ownership.hpp"

#include "values/text.hpp"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace computesdk::registry {
namespace {

std::string octal(mode_t mode) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%04o", static_cast<unsigned>(mode & 07777));
  return buffer;
}

bool isStickyOfRoot(const struct stat& info) {
  return S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0 && info.st_uid == 0;
}

std::filesystem::path realPath(const std::filesystem::path& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::filesystem::path(real.get()) : std::filesystem::path{};
}

}  // namespace

std::optional<OwnershipProblem> OwnershipCheck::component(const struct stat& info,
                                                          const std::filesystem::path& path) const {
  bool ours = info.st_uid == 0 || (!rule_.rootOnly && info.st_uid == rule_.user);
  if (!ours) {
    std::string owner = rule_.rootOnly || rule_.user == 0 ? "root" : "root or you";
    return OwnershipProblem{
        path.string() + " belongs to user " + std::to_string(info.st_uid) + ", not to " + owner,
        "chown " + std::string(rule_.rootOnly ? "root" : std::to_string(rule_.user)) + " " + shellQuote(path.string())};
  }
  if (isStickyOfRoot(info)) return std::nullopt;
  bool byOthers = (info.st_mode & S_IWOTH) != 0;
  bool byGroup = (info.st_mode & S_IWGRP) != 0 && rule_.writers.count(info.st_gid) == 0;
  if (!byOthers && !byGroup) return std::nullopt;
  return OwnershipProblem{
      path.string() + " is writable by " + (byOthers ? "everybody" : "group") + " (mode " + octal(info.st_mode) + ")",
      std::string("chmod ") + (byOthers ? "go-w " : "g-w ") + shellQuote(path.string())};
}

std::optional<OwnershipProblem> OwnershipCheck::chain(const std::filesystem::path& folder) {
  std::filesystem::path at;
  for (const auto& part : folder) {
    at /= part;
    auto [place, isNew] = folders_.try_emplace(at);
    if (isNew) {
      struct stat info {};
      if (::stat(at.c_str(), &info) != 0) {
        place->second = OwnershipProblem{at.string() + ": " + std::strerror(errno), "check the path"};
      } else {
        place->second = component(info, at);
      }
    }
    if (place->second) return place->second;
  }
  return std::nullopt;
}

std::optional<OwnershipProblem> OwnershipCheck::folder(const std::filesystem::path& folder) {
  if (auto problem = chain(folder)) return problem;
  auto real = realPath(folder);
  if (real.empty()) return OwnershipProblem{folder.string() + ": " + std::strerror(errno), "check the path"};
  return real == folder ? std::nullopt : chain(real);
}

std::optional<OwnershipProblem> OwnershipCheck::file(const struct stat& info, const std::filesystem::path& file) const {
  if (!S_ISREG(info.st_mode)) return OwnershipProblem{file.string() + " is not a regular file", "install it again"};
  return component(info, file);
}

std::set<gid_t> writingGroups(const std::filesystem::path& file) {
  std::set<gid_t> out;
  std::filesystem::path at;
  for (const auto& part : file) {
    at /= part;
    struct stat info {};
    if (::stat(at.c_str(), &info) == 0 && (info.st_mode & S_IWGRP) != 0 && !isStickyOfRoot(info)) {
      out.insert(info.st_gid);
    }
  }
  return out;
}

}  // namespace computesdk::registry

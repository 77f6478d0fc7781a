// Paths below a folder that must not be left, whatever the tree holds. For trees that nobody else changes meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/result.hpp"
#include "../engine/unique_fd.hpp"

namespace computesdk::local::rootfs {

// An open folder and one name in it.
struct Place {
  UniqueFd folder;
  std::string name;       // never "", "." or ".."
  std::string canonical;  // "a/b/name": the way without symlinks
};

// "/usr/./bin//x" → {"usr", "bin", "x"}. kInvalidArgument with "..", an empty result, or a part longer than 255.
Result<std::vector<std::string>> splitPath(std::string_view path);

// Walks to the folder of the last part. Symlinks on the way are followed as in a root of its own: they end at `root`.
// Missing folders are made if `make`. kNotFound, kInvalidArgument (a loop, not a folder, too deep).
Result<Place> locate(int root, const std::vector<std::string>& parts, bool make);

// Removes a file or a whole folder; OK when it is not there. Follows nothing.
Status removeAll(int folder, const std::string& name);
// The same for a path.
Status removePath(const std::string& path);

// "Whoever asked for it": of files that are made.
constexpr std::uint32_t kCaller = 0xffffffff;
// Makes a folder and all that is in it somebody's, user and group; nothing for kCaller. Follows nothing.
Status giveTo(int folder, std::uint32_t owner);

// Names in a folder, unsorted.
Result<std::vector<std::string>> namesIn(int folder);

// mkdir -p; new folders get `mode`. kNotFound …, as mkdir.
Status makeFolders(const std::string& path, std::uint32_t mode);

// 16 random hex digits.
std::string randomName();

// Whole regular file, at most `most` bytes. kNotFound, kInvalidArgument (no regular file), kResourceExhausted.
Result<std::string> readSmallFile(const std::string& path, std::size_t most);
Status writeNewFile(int folder, const std::string& name, std::string_view text);

}  // namespace computesdk::local::rootfs

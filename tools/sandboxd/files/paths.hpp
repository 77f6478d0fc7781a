#pragma once

#include <computesdk/result.hpp>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// A path that a client named.
struct AskedPath {
  std::string asked;     ///< as the client wrote it: what answers repeat
  std::string absolute;  ///< what is opened, and what error texts show
};

/// What a path in a URL may mean. Clients before 2.0 lose the slash in front of the path of a file that they read.
enum class LostSlash {
  kNever,    ///< "tmp/x" is below the working directory
  kPossible  ///< ... unless nothing is there: then it is /tmp/x
};

/// A path of a JSON body or a query: absolute, or below `directory`. E_INVALID_ARGUMENT when it is empty or holds a
/// NUL.
Result<AskedPath> askedPath(const std::string& directory, std::string_view path);

/// What follows "/files/" in a URL, undecoded; it is decoded once. Touches the file system when a slash may be lost.
Result<AskedPath> askedInUrl(const std::string& directory, std::string_view remainder, LostSlash lost);

/// The path without empty and "." segments and without a slash at its end: one spelling for "/a//b/./c" and "/a/b/c".
/// ".." stays, since what it means depends on links.
std::string normalPath(std::string_view absolute);

/// `path` and `name` with one slash between them.
std::string joinPath(std::string_view path, std::string_view name);

/// The last name of a path; "/" for the root.
std::string lastName(std::string_view path);

/// The folder that holds the path's last name: "/a" of "/a/b", "/" of "/a". For absolute paths.
std::string folderOf(std::string_view path);

}  // namespace computesdk::sandboxd

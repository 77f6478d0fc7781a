// Opening what a path inside a sandbox names, from outside, without ever leaving its root.
#pragma once

#include <sys/stat.h>

#include <sys/types.h>

#include <string>
#include <string_view>

#include "result.hpp"
#include "unique_fd.hpp"

namespace computesdk::local {

// A checked path: absolute inside the sandbox, no NUL, below 4096 bytes. kInvalidArgument otherwise.
Result<std::string> insidePath(std::string_view path, std::string_view workdir);

// openat2 with `root` as the root of everything: symlinks, "..", and races end there. O_CLOEXEC, O_NONBLOCK and
// O_NOCTTY are added. kUnimplemented before Linux 5.6: no fallback by comparing strings exists, since none is safe.
Result<UniqueFd> openBeneath(int root, const std::string& path, int flags, mode_t mode = 0);

// The folder that holds the last component, and that component. Refuses paths that end in "..", "." or "/".
struct Place {
  UniqueFd parent;
  std::string name;
  std::string path;  // the whole, as resolved so far
  bool found = false;
  struct stat status {};  // of what is there, if `found`; only with `follow`
};
// With `follow`, a symlink in the last place is replaced by what it names, as often as the kernel would.
Result<Place> openParent(int root, const std::string& path, bool follow);

// An Error about a path inside.
Error pathError(int code, const std::string& path, const char* what);

}  // namespace computesdk::local

// From "this step gave this errno" to a sentence that says what forbids it and what would allow it.
#pragma once

#include <string>

#include "../protocol/wire.hpp"
#include "result.hpp"

namespace computesdk::local {

// What the machine says of itself. Strings are the files' content without the newline; empty: no such file.
struct MachineFacts {
  std::string maxUserNamespaces;  // user.max_user_namespaces
  std::string unprivilegedClone;  // kernel.unprivileged_userns_clone (Debian)
  std::string apparmorRestricts;  // kernel.apparmor_restrict_unprivileged_userns (Ubuntu)
  std::string seccompMode;        // of this process, "2" where an outer filter is on
  std::string kernelRelease;
  bool procMounted = true;
  bool root = false;
};
MachineFacts readMachineFacts();

// kUnavailable with cause and remedy for steps that isolation needs; the matching class for the others.
Error explain(protocol::Step step, int error, const MachineFacts& facts);

}  // namespace computesdk::local

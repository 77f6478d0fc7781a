#pragma once

#include <sys/types.h>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// What /etc/passwd says of a user; empty fields when it says nothing.
struct UserEntry {
  std::string name, home, shell;
};

/// Finds a user in the text of a passwd file. Read here because the C library would load modules for it, which a static
/// program cannot.
UserEntry userEntry(std::string_view passwd, uid_t uid);

/// The entry of the user that runs this process, from /etc/passwd.
UserEntry ownUserEntry();

}  // namespace computesdk::sandboxd

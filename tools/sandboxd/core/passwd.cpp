#include "core/passwd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {

UserEntry userEntry(std::string_view passwd, uid_t uid) {
  const auto wanted = std::to_string(uid);
  while (!passwd.empty()) {
    const auto end = passwd.find('\n');
    auto line = passwd.substr(0, end);
    passwd = end == std::string_view::npos ? std::string_view() : passwd.substr(end + 1);
    std::array<std::string_view, 7> fields;
    std::size_t count = 0;
    for (; count < fields.size(); ++count) {
      const auto colon = line.find(':');
      fields[count] = line.substr(0, colon);
      if (colon == std::string_view::npos) break;
      line.remove_prefix(colon + 1);
    }
    if (count + 1 < fields.size() || fields[2] != wanted) continue;
    return {std::string(fields[0]), std::string(fields[5]), std::string(fields[6])};
  }
  return {};
}

UserEntry ownUserEntry() {
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text;
  char buffer[4096];
  for (;;) {
    const auto got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() > (1U << 20U)) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return userEntry(text, ::getuid());
}

}  // namespace computesdk::sandboxd

#include "memory/sandbox_memory.hpp"

#include "core/fd.hpp"
#include "memory/private_folder.hpp"
#include "memory/text_record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace computesdk::detail {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxRecord = 64 * 1024;

ErrorInfo storeError(const fs::path& file, int error) {
  ErrorInfo info;
  info.code = ErrorCode::store;
  info.what = "cannot remember the sandbox in " + file.string();
  info.why = std::strerror(error);
  info.fix = "make the folder writable, or set XDG_STATE_HOME to one that is";
  return info;
}

bool writeAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::optional<std::string> readAll(const fs::path& file) {
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return std::nullopt;
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || text.size() > kMaxRecord) return std::nullopt;
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

constexpr std::string_view stateName(RememberedSandbox::State state) {
  switch (state) {
    case RememberedSandbox::State::begun: return "begun";
    case RememberedSandbox::State::orphan: return "orphan";
    default: return "live";
  }
}

std::optional<RememberedSandbox> parse(std::string_view text) {
  auto fields = decodeRecord(text);
  if (!fields || (*fields)["id"].empty() || (*fields)["provider"].empty()) return std::nullopt;
  RememberedSandbox sandbox;
  sandbox.provider = (*fields)["provider"];
  sandbox.id = (*fields)["id"];
  sandbox.token = (*fields)["token"];
  sandbox.name = (*fields)["name"];
  sandbox.namespace_ = (*fields)["namespace"];
  sandbox.parentId = (*fields)["parent"];
  sandbox.maker = (*fields)["maker"];
  const std::string& state = (*fields)["state"];
  if (state == "begun") sandbox.state = RememberedSandbox::State::begun;
  if (state == "orphan") sandbox.state = RememberedSandbox::State::orphan;
  if (const std::string& expires = (*fields)["expires_ms"]; !expires.empty()) {
    std::int64_t ms = 0;
    auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), ms);
    if (error == std::errc{}) sandbox.expiresAt = SystemTime(std::chrono::milliseconds(ms));
  }
  return sandbox;
}

template <typename F>
void eachFile(const fs::path& folder, F&& f) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) f(it->path());
}

/// Start time of a process in clock ticks, which with its number names it for as long as the machine runs.
std::string startTime(long pid) {
  auto text = readAll("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return {};
  // The name in parentheses may hold anything, so count from the last one: the start time is the 20th field after it.
  auto from = text->rfind(')');
  if (from == std::string::npos) return {};
  std::size_t at = from + 1;
  for (int field = 0; field < 20 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return {};
  auto begin = text->rfind(' ', at - 1) + 1;
  return text->substr(begin, at - begin);
}

}  // namespace

std::string thisProcess() { return std::to_string(::getpid()) + ":" + startTime(::getpid()); }

bool processRuns(const std::string& maker) {
  long pid = 0;
  auto [end, error] = std::from_chars(maker.data(), maker.data() + maker.size(), pid);
  if (error != std::errc{} || pid <= 0 || end == maker.data() + maker.size() || *end != ':') return false;
  return startTime(pid) == std::string(end + 1, maker.data() + maker.size()) && !startTime(pid).empty();
}

SandboxMemory::SandboxMemory(const fs::path& stateDirectory) : folder_(stateDirectory / "sandboxes") {}

fs::path SandboxMemory::fileOf(std::string_view provider, std::string_view id) const {
  // A name of one component, at most 255 bytes: no slash, no leading dot, and long ids end in a hash of all of it.
  auto component = [](std::string_view text) {
    std::string out;
    for (char c : percentEncode(text)) {
      if (c == '/') {
        out += "%2F";
      } else if (c == '.' && out.empty()) {
        out += "%2E";
      } else {
        out += c;
      }
    }
    if (out.size() <= 200) return out;
    std::uint64_t hash = 14695981039346656037u;
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return out.substr(0, 180) + "%h" + std::to_string(hash);
  };
  return folder_ / component(provider) / component(id);
}

Result<void> SandboxMemory::save(const RememberedSandbox& sandbox) const {
  StringMap fields = {{"provider", sandbox.provider},
                      {"id", sandbox.id},
                      {"token", sandbox.token},
                      {"name", sandbox.name},
                      {"parent", sandbox.parentId},
                      {"namespace", sandbox.namespace_},
                      {"state", std::string(stateName(sandbox.state))},
                      {"maker", sandbox.maker}};
  if (sandbox.expiresAt) fields["expires_ms"] = std::to_string(sandbox.expiresAt->time_since_epoch().count());
  std::erase_if(fields, [](const auto& field) { return field.second.empty(); });

  const fs::path file = fileOf(sandbox.provider, sandbox.id);
  if (!file.is_absolute()) return storeError("(no home folder)", ENOENT);
  const std::string what = "cannot remember the sandbox in " + file.string();
  // The state folder too: who may write there may put another `sandboxes` in its place.
  for (const fs::path& folder : {folder_.parent_path(), file.parent_path()}) {
    if (auto made = makePrivateFolder(folder, what); !made) return made;
  }
  static std::atomic<unsigned> counter{0};
  const fs::path temporary =
      file.parent_path() / (".new-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)));
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return storeError(file, errno);
  if (!writeAll(fd.get(), encodeRecord(fields)) || ::rename(temporary.c_str(), file.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary.c_str());
    return storeError(file, error);
  }
  return {};
}

std::vector<RememberedSandbox> SandboxMemory::find(std::string_view id) const {
  std::vector<RememberedSandbox> found;
  eachFile(folder_, [&](const fs::path& provider) {
    auto name = percentDecode(provider.filename().string());
    if (!name) return;
    auto text = readAll(fileOf(*name, id));
    auto sandbox = text ? parse(*text) : std::nullopt;
    if (sandbox && sandbox->id == id) found.push_back(std::move(*sandbox));
  });
  return found;
}

std::vector<RememberedSandbox> SandboxMemory::unfinished() const {
  std::vector<RememberedSandbox> found;
  eachFile(folder_, [&](const fs::path& provider) {
    eachFile(provider, [&](const fs::path& file) {
      auto text = readAll(file);
      auto sandbox = text ? parse(*text) : std::nullopt;
      if (sandbox && sandbox->state != RememberedSandbox::State::live) found.push_back(std::move(*sandbox));
    });
  });
  return found;
}

void SandboxMemory::forget(std::string_view provider, std::string_view id) const noexcept {
  try {
    ::unlink(fileOf(provider, id).c_str());
  } catch (...) {  // only memory can run out here, and then the stale record is found by its next user
  }
}

}  // namespace computesdk::detail

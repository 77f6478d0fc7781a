// From a fresh clone of the launcher to bubblewrap: what it is told to make, the same room that makeRoom makes.
//
// It starts with an empty environment and three descriptors beside the standard ones: of whatever a program is given by
// bubblewrap's caller, bubblewrap takes nothing away.
#include "base_root.hpp"
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr int kLauncherEnd = 3, kProgram = 4;
// The writable places are folders of one tmpfs, so that its size is one budget. bubblewrap binds what the machine has,
// not what it makes itself; but through /proc it finds the root that it is making below its own. That is not there yet
// when it first looks, which only --bind-try forgives; checkDisk sees whether it came to be.
constexpr const char* kMade = "/proc/self/root/newroot/tmp/";

class Arguments {
 public:
  template <typename... Words>
  void add(Words... words) {
    (one(words), ...);
  }
  const char* text(const char* first, const char* second = "", const char* third = "") {
    const char* start = pool_ + used_;
    for (const char* part : {first, second, third}) {
      const std::size_t size = sys::length(part);
      if (size >= sizeof pool_ - used_) {
        full_ = true;
        return "";
      }
      memcpy(pool_ + used_, part, size);
      used_ += size;
    }
    pool_[used_++] = 0;
    return start;
  }
  const char* number(std::uint64_t value) {
    sys::Line<24> line;
    line << value;
    return text(line.text());
  }
  bool full() const { return full_; }
  const char* const* list() const { return words_; }

 private:
  void one(const char* word) {
    if (count_ + 1 >= static_cast<int>(sizeof words_ / sizeof *words_)) {
      full_ = true;
      return;
    }
    words_[count_++] = word;
  }
  const char* words_[1024] = {};
  char pool_[65536];
  int count_ = 0;
  std::size_t used_ = 0;
  bool full_ = false;
};

Arguments arguments;
bool usualWorkdir;  // the top folder of the working folder is one that the root has anyhow

void noteTop(const char* name, const char* workdirTop) { usualWorkdir |= sys::equal(workdirTop + 1, name); }

// A copy of what can be read from a descriptor, which bubblewrap closes when it has.
void copyOf(int fd, const char* target) {
  sys::fcntl(fd, 2 /* F_SETFD */, 0);
  arguments.add("--perms", "0644", "--file", arguments.number(static_cast<std::uint64_t>(fd)), target);
}

int addText(const char* target, const char* content) {
  int pair[2];
  const int result = sys::pipe2(pair, O_CLOEXEC);
  if (result < 0) return result;
  const std::size_t size = sys::length(content);
  const sys::Word written = sys::writeFd(pair[1], content, size);  // less than a pipe holds
  sys::closeFd(pair[1]);
  copyOf(pair[0], target);
  return written == static_cast<sys::Word>(size) ? 0 : -sys::kEio;
}

int addEtc() {
  arguments.add("--dir", "/etc");
  for (const MadeUpFile& file : kMadeUpEtc) {
    const int result = addText(arguments.text("/", file.path), file.text);
    if (result < 0) return result;
  }
  for (const char* name : kCopiedEtc) {
    const char* path = arguments.text("/etc/", name);
    const int fd = sys::openAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
    if (fd >= 0) copyOf(fd, path);
  }
  arguments.add("--symlink", "/proc/self/mounts", "/etc/mtab");
  arguments.add("--symlink", "/run/computesdk/resolv.conf", "/etc/resolv.conf");
  arguments.add("--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--dir", "/etc/ssl");
  arguments.add("--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs");
  const int openssl = sys::openAt(AT_FDCWD, "/etc/ssl/openssl.cnf", O_RDONLY | O_NONBLOCK);
  if (openssl >= 0) copyOf(openssl, "/etc/ssl/openssl.cnf");
  return 0;
}

// FOLDER/NAME at the top of the root: the same symlink, or the folder. What is neither, or absent, is left out.
void addTop(const char* folder, const char* name, const char* workdirTop) {
  const char* source = arguments.text(folder, "/", name);
  const char* target = arguments.text("/", name);
  char link[256];
  const sys::Word size = sys::call(__NR_readlinkat, AT_FDCWD, sys::word(source), sys::word(link), sizeof link - 1);
  if (size > 0) {
    link[size] = 0;
    arguments.add("--symlink", arguments.text(link), target);
  } else {
    const int fd = sys::openAt(AT_FDCWD, source, O_PATH | O_DIRECTORY);
    sys::closeFd(fd);
    if (fd < 0) return;
    arguments.add("--ro-bind", source, target);
  }
  noteTop(name, workdirTop);
}

int addTemplate(const char* folder, const char* workdirTop) {
  const int fd = sys::openAt(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return fd;
  alignas(8) static char entries[16384];
  sys::Word size;
  while ((size = sys::call(__NR_getdents64, fd, sys::word(entries), sizeof entries)) > 0) {
    for (sys::Word at = 0; at < size;) {
      const char* entry = entries + at;
      at += *reinterpret_cast<const std::uint16_t*>(entry + 16);
      if (!reservedTop(entry + 19)) addTop(folder, arguments.text(entry + 19), workdirTop);
    }
  }
  sys::closeFd(fd);
  return static_cast<int>(size);
}

Outcome addBase(const Config& config, const char* workdirTop) {
  int result = 0;
  if (*config.templateFolder != 0) {
    result = addTemplate(config.templateFolder, workdirTop);
  } else {
    for (const char* name : kMachineTops) addTop("", name, workdirTop);
    noteTop("etc", workdirTop);
    result = addEtc();
  }
  return result < 0 ? failed(Step::kTemplateMount, result) : Outcome{};
}

bool isThere(const char* folder, const char* name) {
  sys::Line<4200> path;
  path << folder << name;
  const int fd = sys::openAt(AT_FDCWD, path.text(), O_PATH | O_DIRECTORY);
  sys::closeFd(fd);
  return fd >= 0;
}

void addPlaces(const Config& config, const Birth& birth, const char* workdirTop) {
  arguments.add("--proc", "/proc", "--dev", "/dev", "--dir", "/root", "--dir", "/mnt");
  arguments.add("--size", arguments.number(birth.spec.diskBytes), "--tmpfs", "/tmp");
  for (const char* name : {"proc", "dev", "root", "mnt", "tmp", "var", "home", "run", "work", "workspace"}) {
    noteTop(name, workdirTop);
  }
  for (const char* folder : {"/tmp/home", "/tmp/home/sandbox", "/tmp/run", "/tmp/run/computesdk", "/tmp/work"}) {
    arguments.add("--dir", folder);
  }
  for (const char* folder : {"/tmp/vartmp", "/tmp/shm", "/tmp/tmp"}) arguments.add("--perms", "1777", "--dir", folder);
  const struct {
    const char *folder, *target;
  } places[] = {{"home", "/home"}, {"run", "/run"}, {"shm", "/dev/shm"}, {"work", "/workspace"}, {"work", "/work"}};
  for (const auto& place : places) arguments.add("--bind-try", arguments.text(kMade, place.folder), place.target);
  // A template without /var/tmp has none.
  if (*config.templateFolder == 0 || !isThere(config.templateFolder, "/var") ||
      isThere(config.templateFolder, "/var/tmp")) {
    arguments.add("--bind-try", arguments.text(kMade, "vartmp"), "/var/tmp");
  }
  if (!usualWorkdir && workdirTop[1] != 0) {
    arguments.add("--dir", "/tmp/extra", "--bind-try", arguments.text(kMade, "extra"), workdirTop);
  }
  arguments.add("--bind-try", arguments.text(kMade, "tmp"), "/tmp");  // last: it covers the others
}

// Which one is missing, bubblewrap would say only in words.
Outcome addUserMounts(const Config& config) {
  for (int i = 0; i < config.mountCount; ++i) {
    const UserMount& mount = config.mounts[i];
    const int fd = sys::openAt(AT_FDCWD, mount.source, O_PATH);
    if (fd < 0) return failed(Step::kUserMount, fd);
    sys::closeFd(fd);
    arguments.add(mount.writable ? "--bind" : "--ro-bind", mount.source, mount.target);
  }
  return {};
}

// Away from the numbers that are about to be given out, and closed by exec.
int aside(int fd) { return fd < 0 ? fd : sys::fcntl(fd, 1030 /* F_DUPFD_CLOEXEC */, 512); }

int placeDescriptors(int launcherEnd, int complaint) {
  const int program = sys::openAt(AT_FDCWD, "/proc/self/exe", O_RDONLY);
  if (program < 0) return program;
  const int highProgram = aside(program), highEnd = aside(launcherEnd), highComplaint = aside(complaint);
  sys::closeRange(kLauncherEnd, 511);
  if (highComplaint >= 0) sys::dup3(highComplaint, 2, 0);
  const int placed = sys::dup3(highEnd, kLauncherEnd, 0);
  return placed < 0 ? placed : sys::dup3(highProgram, kProgram, 0);
}

Outcome prepare(const Config& config, const Birth& birth) {
  arguments.add("computesdk-bubblewrap", "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net");
  arguments.add("--unshare-uts", "--unshare-cgroup-try", "--uid", arguments.number(kInnerUid));
  arguments.add("--gid", arguments.number(kInnerUid), "--hostname", "sandbox", "--die-with-parent", "--as-pid-1");
  arguments.add("--cap-drop", "ALL", "--chdir", "/");
  static sys::Line<300> top;
  top = topFolder(birth.workdir);
  if (top.full()) return failed(Step::kWorkdir, -sys::kEnametoolong);
  Outcome outcome = addBase(config, top.text());
  if (!outcome.ok()) return outcome;
  addPlaces(config, birth, top.text());
  outcome = addUserMounts(config);
  if (!outcome.ok()) return outcome;
  arguments.add("--remount-ro", "/dev", "--remount-ro", "/", "--");
  arguments.add(arguments.text("/proc/self/fd/", arguments.number(kProgram)), kInsideWord);
  return arguments.full() ? failed(Step::kBubblewrap, -sys::kE2big) : Outcome{};
}

}  // namespace

void becomeBubblewrap(const Config& config, Birth& birth, int complaint) {
  sys::call(__NR_setsid);
  birth.host = aside(birth.host);
  const int placed = placeDescriptors(birth.launcher, complaint);
  Outcome outcome = placed < 0 ? failed(Step::kBubblewrap, placed) : prepare(config, birth);
  if (outcome.ok()) {
    const std::uint64_t none = 0;
    sys::call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, sys::word(&none), 0, 8);
    const char* const environment[] = {nullptr};
    outcome = failed(Step::kBubblewrap, sys::call(__NR_execve, sys::word(config.program), sys::word(arguments.list()),
                                                  sys::word(environment)));
  }
  const protocol::ReadyBody body{outcome.step, outcome.error};
  if (birth.host >= 0) sendBody(birth.host, protocol::FrameType::kReady, body);
  sys::exitNow(1);
}

}  // namespace computesdk::local

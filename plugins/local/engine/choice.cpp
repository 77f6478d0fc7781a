#include "choice.hpp"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "diagnosis.hpp"
#include "identity.hpp"

namespace computesdk::local {
namespace {

Error impossible(std::string message, std::string why, std::string fix) {
  return {
      .kind = ErrorClass::kUnimplemented, .message = std::move(message), .why = std::move(why), .fix = std::move(fix)};
}

Status canMeetAsRoot(const CreateSpec& spec) {
  if (geteuid() != 0 || treeOwner() == 0) {
    return Error{.kind = ErrorClass::kUnavailable,
                 .message = "The engine \"root\" cannot be used here",
                 .why = "This process is not root, or of a namespace without unused user ids.",
                 .fix = "Run as root of this machine, or leave the engine to be chosen."};
  }
  if (spec.network == NetworkMode::kFull) {
    return impossible("Without user namespaces there is no network mode full",
                      "pasta and slirp4netns join a sandbox through its user namespace.",
                      "Leave --net out, or allow user namespaces: sysctl -w user.max_user_namespaces=15000.");
  }
  return okStatus();
}

Status canMeetByBubblewrap(const CreateSpec& spec, const RootPlan& plan) {
  if (!plan.layers.empty()) {
    return impossible("The engine \"bubblewrap\" cannot start a sandbox from a snapshot",
                      "That takes an overlay, and bubblewrap mounts none.",
                      "Allow user namespaces to this program (computesdk doctor says how), or run as root.");
  }
  if (plan.overlay) {
    return impossible("The engine \"bubblewrap\" has no base that can be written",
                      "That takes an overlay, and bubblewrap mounts none.",
                      spec.templateSource.empty()
                          ? "Leave out --option writable=overlay; /tmp, /home and /work can be written."
                          : "Use the template read-only: --option writable=none.");
  }
  return okStatus();
}

// Whoever can change the program is behind every sandbox. Within a user namespace root may have no name.
bool trusted(const std::string& path) {
  constexpr uid_t kNobody = 65534;
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 022) == 0 &&
         (status.st_uid == 0 || status.st_uid == kNobody) && access(path.c_str(), X_OK) == 0;
}

std::vector<std::string> places() {
  std::vector<std::string> places = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
  const char* path = secure_getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (folder.starts_with('/')) places.push_back(std::string(folder) + "/bwrap");
  }
  return places;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

Status canMeetBy(EngineKind engine, const CreateSpec& spec, const RootPlan& plan) {
  if (spec.isolation == Isolation::kNone) return okStatus();
  switch (engine) {
    case EngineKind::kRoot: return canMeetAsRoot(spec);
    case EngineKind::kBubblewrap: return canMeetByBubblewrap(spec, plan);
    default: return okStatus();
  }
}

std::vector<EngineKind> alternativesTo(EngineKind engine) {
  if (engine != EngineKind::kNamespaces) return {};
  if (geteuid() != 0) return {EngineKind::kBubblewrap};
  return {EngineKind::kRoot, EngineKind::kBubblewrap};
}

std::string alsoFailed(EngineKind engine, const Error& error) {
  const char* by = engine == EngineKind::kRoot ? " As root without user namespaces: " : " By bubblewrap: ";
  return by + error.message + "." + (error.why.empty() ? "" : " " + error.why);
}

Result<std::string> findBubblewrap(const std::string& given) {
  for (const std::string& path : given.empty() ? places() : std::vector<std::string>{given}) {
    if (trusted(path)) return path;
  }
  return Error{.kind = ErrorClass::kUnavailable,
               .message = "The engine \"bubblewrap\" cannot be used here",
               .why = "bwrap is not installed, or others than root can change it.",
               .fix = "Install it: sudo apt-get install bubblewrap."};
}

Error explainBubblewrap(std::string_view said, std::span<const Mount> mounts) {
  while (!said.empty() && (said.back() == '\n' || said.back() == '\0')) said.remove_suffix(1);
  if (said.starts_with("bwrap: ")) said.remove_prefix(7);
  const bool usedUp = contains(said, "ENOSPC");
  const protocol::Step step =
      !usedUp && contains(said, "/proc") ? protocol::Step::kMountProc : protocol::Step::kCloneOuter;
  Error error = explain(step, usedUp ? ENOSPC : EPERM, readMachineFacts());
  error.message = "bubblewrap could not make a sandbox";
  error.why = said.empty() ? "It was ended before it had." : "It said: " + std::string(said) + ". " + error.why;
  for (const Mount& mount : mounts) {
    if (!contains(said, "newroot" + mount.target) && !contains(said, mount.source)) continue;
    error.kind = ErrorClass::kInvalidArgument;
    error.message = "mounts: " + mount.source + " cannot be shown at " + mount.target;
    error.fix = "Choose a target below /mnt, /home, /work or one of its own, and a source that all may reach.";
    return error;
  }
  if (contains(said, "--size")) error.fix = "Install bubblewrap 0.7 or newer, without the setuid bit.";
  return error;
}

}  // namespace computesdk::local

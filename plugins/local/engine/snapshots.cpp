// Snapshots: of a living sandbox, and those that are kept.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <rootfs/tree.hpp>

#include "engine.hpp"
#include "identity.hpp"
#include "root_plan.hpp"
#include "sandbox_state.hpp"

namespace computesdk::local {
namespace {

using protocol::FrameType;

constexpr int kFreezeMs = 10000;
constexpr const char* kSandboxKey = "computesdk.sandbox";

SnapshotSummary toSummary(const rootfs::Snapshot& snapshot) {
  SnapshotSummary summary;
  summary.id = snapshot.id;
  summary.name = snapshot.name;
  summary.createdMs = snapshot.createdMs;
  summary.bytes = snapshot.bytes;
  summary.base = snapshot.base.name.empty() ? snapshot.base.kind : snapshot.base.kind + " " + snapshot.base.name;
  for (const auto& pair : snapshot.metadata) {
    if (pair.first == kSandboxKey) {
      summary.sandboxId = pair.second;
    } else {
      summary.metadata.push_back(pair);
    }
  }
  return summary;
}

bool isPart(std::string_view name) {
  constexpr std::array<std::string_view, 5> kParts = {"home", "work", "tmp", "vartmp", "extra"};
  return name.starts_with("top-") || std::find(kParts.begin(), kParts.end(), name) != kParts.end();
}

Error cannotStop(int error) {
  Error failure;
  failure.kind = error == EOPNOTSUPP ? ErrorClass::kUnimplemented : ErrorClass::kFailedPrecondition;
  if (error == EOPNOTSUPP) {
    failure.message = "A sandbox without isolation has no disk of its own to snapshot";
    failure.fix = "Make it without --isolation none.";
  } else if (error == EBUSY) {
    failure.message = "Another snapshot of this sandbox is being taken";
    failure.fix = "Try again when it is done.";
  } else {
    failure.message = "Not everything in the sandbox could be stopped for the snapshot";
    failure.why = "It starts processes faster than they can be stopped.";
    failure.fix = "End what runs in it, and try again.";
  }
  return failure;
}

}  // namespace

Result<SnapshotSummary> Sandbox::snapshot(std::string_view name, const Pairs& metadata,
                                          const std::function<bool()>& cancelled) {
  if (state_->meta.engine == EngineKind::kBubblewrap) {
    return Error{.kind = ErrorClass::kUnimplemented,
                 .message = "The engine \"bubblewrap\" takes no snapshots",
                 .why = "It could start no sandbox from one: that takes an overlay, and bubblewrap mounts none.",
                 .fix = "Allow user namespaces to this program (computesdk doctor says how), or run as root."};
  }
  const auto store = snapshotStore();
  if (!store.ok()) return store.error();
  // Everything inside goes on when this channel closes, also if this process is killed.
  const auto frozen = call(*state_, FrameType::kFreeze, {}, {});
  if (!frozen.ok()) return frozen.error();
  Frame frame;
  protocol::ReplyBody reply{};
  if (waitFrame(frozen->get(), frame, kFreezeMs) != Receipt::kFrame || !frame.read(reply)) return endedError(*state_);
  if (reply.error != 0 || !frame.fds[0]) return cannotStop(reply.error != 0 ? reply.error : EAGAIN);
  const auto names = rootfs::namesIn(frame.fds[0].get());
  if (!names.ok()) return names.error();
  std::vector<UniqueFd> folders;
  std::vector<rootfs::Part> parts;
  for (const std::string& part : *names) {
    if (!isPart(part)) continue;
    UniqueFd folder(openat(frame.fds[0].get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return systemError(errno, "Cannot open the sandbox's disk");
    parts.push_back({part, folder.get()});
    folders.push_back(std::move(folder));
  }
  rootfs::Description description;
  description.name = name;
  description.base = state_->meta.base;
  description.workdir = state_->meta.workdir;
  description.metadata = metadata;
  description.metadata.emplace_back(kSandboxKey, state_->meta.id);
  rootfs::CopyLimits limits;
  limits.owner = treeOwner();
  limits.cancelled = cancelled;
  const auto taken = rootfs::takeSnapshot(*store, description, parts, limits);
  if (!taken.ok()) return taken.error();
  return toSummary(*taken);
}

Result<std::vector<SnapshotSummary>> Engine::snapshots(std::string_view sandboxId) {
  const auto store = snapshotStore();
  if (!store.ok()) return store.error();
  const auto kept = rootfs::listSnapshots(*store);
  if (!kept.ok()) return kept.error();
  std::vector<SnapshotSummary> summaries;
  for (const rootfs::Snapshot& snapshot : *kept) {
    SnapshotSummary summary = toSummary(snapshot);
    if (sandboxId.empty() || summary.sandboxId == sandboxId) summaries.push_back(std::move(summary));
  }
  return summaries;
}

Status Engine::removeSnapshot(std::string_view id) {
  const auto store = snapshotStore();
  if (!store.ok()) return store.error();
  return rootfs::removeSnapshot(*store, id);
}

}  // namespace computesdk::local

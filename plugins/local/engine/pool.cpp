#include "pool.hpp"

#include <poll.h>

#include <utility>

namespace computesdk::local {
namespace {

// What all sandboxes of a kind have in common; the rest is given to them when they are taken.
CreateSpec kindOf(const CreateSpec& spec) {
  CreateSpec kind;
  kind.limits = spec.limits;
  kind.workdir = spec.workdir;
  kind.mounts = spec.mounts;
  kind.templateSource = spec.templateSource;
  kind.snapshotId = spec.snapshotId;
  kind.writableBase = spec.writableBase;
  kind.ttl = Milliseconds(0);
  kind.dieWithHost = true;
  return kind;
}

bool sameKind(const CreateSpec& a, const CreateSpec& b) {
  return a.limits == b.limits && a.workdir == b.workdir && a.mounts == b.mounts &&
         a.templateSource == b.templateSource && a.snapshotId == b.snapshotId && a.writableBase == b.writableBase;
}

bool alive(const SandboxState& state) {
  pollfd item{state.init.get(), 0, 0};
  return poll(&item, 1, 0) == 0;
}

}  // namespace

Pool::Pool(std::size_t size, Make make)
    : size_(size), make_(std::move(make)), thread_([this](const std::stop_token& stop) { fill(stop); }) {}

Pool::~Pool() = default;

bool Pool::covers(const CreateSpec& spec) {
  return spec.isolation == Isolation::kNamespaces && spec.network == NetworkMode::kNone && spec.ports.empty();
}

std::shared_ptr<SandboxState> Pool::take(const CreateSpec& spec) {
  std::deque<std::shared_ptr<SandboxState>> others;  // ended after the lock is given back
  const std::lock_guard lock(mutex_);
  if (!kind_ || !sameKind(*kind_, spec)) {
    others.swap(ready_);
    kind_ = kindOf(spec);
  }
  std::shared_ptr<SandboxState> taken;
  while (!ready_.empty() && !taken) {
    if (alive(*ready_.front())) taken = std::move(ready_.front());
    ready_.pop_front();
  }
  if (ready_.size() <= size_ / 2) {
    filling_ = true;
    changed_.notify_all();
  }
  return taken;
}

void Pool::fill(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return filling_; })) {
    if (ready_.size() >= size_) {
      filling_ = false;
      continue;
    }
    const CreateSpec kind = *kind_;
    lock.unlock();
    auto made = make_(kind);
    lock.lock();
    if (!made.ok()) {
      filling_ = false;  // the next wish tells its caller why, and tries again
    } else if (sameKind(*kind_, kind)) {
      ready_.push_back(std::move(*made));
    }
  }
}

}  // namespace computesdk::local

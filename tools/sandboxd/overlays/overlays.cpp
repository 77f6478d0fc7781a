#include "overlays/overlays.hpp"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "files/io.hpp"
#include "files/paths.hpp"
#include "overlays/copy_tree.hpp"

namespace computesdk::sandboxd {
namespace {

bool leadsOut(std::string_view relative) {
  int depth = 0;
  for (std::size_t begin = 0; begin < relative.size() && depth >= 0;) {
    const std::size_t end = std::min(relative.find('/', begin), relative.size());
    const std::string_view name = relative.substr(begin, end - begin);
    depth += name == ".." ? -1 : static_cast<int>(!name.empty() && name != ".");
    begin = end + 1;
  }
  return depth < 0;
}

std::string realOf(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return real ? real.get() : "";
}

}  // namespace

struct Overlays::Job {
  OverlayInfo info;
  std::unique_ptr<CopyTree> copy;
  std::vector<std::function<void(const OverlayInfo&)>> waiting;

  void takeCounts() {
    info.copiedFiles = copy->counts().files;
    info.copiedDirs = copy->counts().folders;
    info.skipped = copy->counts().skipped;
  }
};

std::string_view OverlayInfo::statusText() const {
  constexpr std::string_view kTexts[] = {"pending", "in_progress", "complete", "failed"};
  return kTexts[static_cast<std::size_t>(status)];
}

std::string OverlayInfo::json() const {
  const std::string stats = JsonObject()
                                .number("copied_files", static_cast<std::int64_t>(copiedFiles))
                                .number("copied_dirs", static_cast<std::int64_t>(copiedDirs))
                                .raw("skipped", jsonStrings(skipped))
                                .str();
  return JsonObject()
      .text("id", id)
      .text("source", options.source)
      .text("target", options.target)
      .text("strategy", options.strategy == OverlayStrategy::kSmart ? "smart" : "copy")
      .text("created_at", createdAt)
      .raw("stats", stats)
      .text("copy_status", statusText())
      .textIfAny("copy_error", error)
      .str();
}

Result<OverlayOptions> overlayOptionsOf(const rapidjson::Value& object) {
  OverlayOptions options;
  Result<std::string> source = requiredText(object, "source");
  if (!source) return source.error();
  if (!source->starts_with('/') || source->find('\0') != std::string::npos) {
    return invalid("source must be an absolute path");
  }
  Result<std::string> target = requiredText(object, "target");
  if (!target) return target.error();
  if (target->empty() || target->starts_with('/') || target->find('\0') != std::string::npos || leadsOut(*target)) {
    return invalid("target must be a path below the working directory");
  }
  Result<std::vector<std::string>> ignore = optionalTexts(object, "ignore");
  if (!ignore) return ignore.error();
  const auto strategy = optionalText(object, "strategy");
  if (!strategy) return strategy.error();
  if (*strategy && **strategy != "smart" && **strategy != "copy") {
    return invalid("strategy must be \"smart\" or \"copy\"");
  }
  return OverlayOptions{std::move(*source), std::move(*target), std::move(*ignore),
                        *strategy == "copy" ? OverlayStrategy::kCopy : OverlayStrategy::kSmart};
}

Overlays::Overlays(std::string workingDirectory) : workingDirectory_(std::move(workingDirectory)) {}

Overlays::~Overlays() { stop(); }

Result<OverlayInfo> Overlays::create(const OverlayOptions& options) {
  CopyTree::Options copy;
  std::string bad;
  std::optional<GlobSet> ignored = GlobSet::parse(options.ignore, bad);
  if (!ignored) return invalid("ignore holds what is no glob, or too much: " + bad.substr(0, 100));
  struct stat info {};
  copy.source = realOf(options.source);
  if (copy.source.empty() || stat(copy.source.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return invalid("Overlay source is not a directory: " + options.source);
  }
  const std::string target = joinPath(workingDirectory_, options.target);
  // Before anything is made, so that nothing is made in the source.
  std::string nearest = normalPath(target);
  while (realOf(nearest).empty() && nearest != "/") nearest = folderOf(nearest);
  nearest = joinPath(realOf(nearest), "");
  if (nearest.starts_with(joinPath(copy.source, ""))) return invalid("Overlay target lies in its source: " + target);
  if (auto made = makeFolders(normalPath(target)); !made) return made.error();
  copy.target = realOf(target);
  if (copy.target.empty()) return ioFailure(errno, "Cannot make the directory " + target);
  copy.ignored = std::move(*ignored);
  copy.share = options.strategy == OverlayStrategy::kSmart;

  const auto job = std::make_shared<Job>();
  job->info.id = Context::newId("overlay_");
  job->info.options = options;
  job->info.createdAt = timestamp();
  job->copy = std::make_unique<CopyTree>(std::move(copy));
  const bool done = job->copy->copySmall();
  job->takeCounts();
  const std::lock_guard lock(mutex_);
  if (stopped_) return conflicting("The sandbox is being closed");
  jobs_.push_back(job);
  if (!done || !job->copy->moreToDo()) {
    job->info.status = done ? OverlayStatus::kComplete : OverlayStatus::kFailed;
    job->info.error = job->copy->error();
    job->copy.reset();
    return job->info;
  }
  queue_.push_back(job);
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  wake_.notify_one();
  return job->info;
}

void Overlays::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
    if (stopped_) return;
    const std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    job->info.status = OverlayStatus::kInProgress;
    lock.unlock();
    const bool done = job->copy->copyRest([&] {
      const std::lock_guard inside(mutex_);
      job->takeCounts();
    });
    lock.lock();
    job->takeCounts();
    job->info.error = job->copy->error();
    job->info.status = done ? OverlayStatus::kComplete : OverlayStatus::kFailed;
    job->copy.reset();
    const OverlayInfo info = job->info;
    const auto waiting = std::exchange(job->waiting, {});
    lock.unlock();
    for (const auto& call : waiting) call(info);
    lock.lock();
  }
}

std::optional<OverlayInfo> Overlays::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->info.id == id) return job->info;
  }
  return {};
}

std::vector<OverlayInfo> Overlays::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<OverlayInfo> all;
  for (const auto& job : jobs_) all.push_back(job->info);
  return all;
}

bool Overlays::remove(const std::string& id) {
  std::vector<std::function<void(const OverlayInfo&)>> waiting;
  OverlayInfo info;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->info.id == id; });
    if (at == jobs_.end()) return false;
    if ((*at)->copy) (*at)->copy->cancel();
    const auto queued = std::find(queue_.begin(), queue_.end(), *at);
    if (queued != queue_.end()) {  // nobody else would tell
      queue_.erase(queued);
      waiting = std::exchange((*at)->waiting, {});
      (*at)->info.status = OverlayStatus::kFailed;
      (*at)->info.error = "The overlay was removed";
    }
    info = (*at)->info;
    jobs_.erase(at);
  }
  for (const auto& call : waiting) call(info);
  return true;
}

void Overlays::whenDone(const std::string& id, std::function<void(const OverlayInfo&)> done) {
  OverlayInfo info;
  info.id = id;
  info.status = OverlayStatus::kFailed;
  info.error = "Overlay not found: " + id;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& job : jobs_) {
      if (job->info.id != id) continue;
      if (!job->info.done()) {
        job->waiting.push_back(std::move(done));
        return;
      }
      info = job->info;
    }
  }
  done(info);
}

void Overlays::stop() {
  std::thread thread;
  std::deque<std::shared_ptr<Job>> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& job : jobs_) {
      if (job->copy) job->copy->cancel();
    }
    left.swap(queue_);
    for (const auto& job : left) {
      job->info.status = OverlayStatus::kFailed;
      job->info.error = "The sandbox is being closed";
    }
    thread.swap(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
  for (const auto& job : left) {
    for (const auto& call : std::exchange(job->waiting, {})) call(job->info);
  }
}

}  // namespace computesdk::sandboxd

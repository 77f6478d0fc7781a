#include "watchers/watchers.hpp"

#include <algorithm>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "files/glob.hpp"
#include "files/paths.hpp"
#include "watchers/watcher.hpp"

namespace computesdk::sandboxd {

Result<WatcherOptions> watcherOptionsOf(const std::string& directory, const rapidjson::Value& body) {
  const Result<std::string> path = requiredText(body, "path");
  if (!path) return path.error();
  const Result<AskedPath> asked = askedPath(directory, *path);
  if (!asked) return asked.error();
  const auto includeContent = optionalBoolean(body, "includeContent");
  if (!includeContent) return includeContent.error();
  Result<std::vector<std::string>> ignored = optionalTexts(body, "ignored");
  if (!ignored) return ignored.error();
  const auto encoding = optionalText(body, "encoding");
  if (!encoding) return encoding.error();
  if (*encoding && **encoding != "raw" && **encoding != "base64") {
    return invalid("encoding must be \"raw\" or \"base64\"");
  }
  return WatcherOptions{asked->asked, asked->absolute, includeContent->value_or(false), std::move(*ignored), *encoding};
}

Watchers::Watchers(Context& context) : context_(context) {}

Watchers::~Watchers() = default;

Result<std::string> Watchers::create(const WatcherOptions& options) {
  std::string bad;
  std::optional<GlobSet> ignored = GlobSet::parse(options.ignored, bad);
  if (!ignored) return invalid("ignored holds what is no glob, or too much: " + bad.substr(0, 100));
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || watchers_.size() + reserved_ >= kMost) {
      ErrorInfo info;
      info.code = ErrorCode::resourceExhausted;
      info.what = "Too many watchers: at most " + std::to_string(kMost) + " at a time";
      info.fix = "destroy one of them first";
      return info;
    }
    ++reserved_;
  }
  Result<std::unique_ptr<TreeWatch>> tree = TreeWatch::open(options.absolute, std::move(*ignored));
  const std::lock_guard lock(mutex_);
  --reserved_;
  if (!tree) return tree.error();
  if (stopped_) return conflicting("The sandbox is being closed");
  watchers_.push_back(std::make_shared<Watcher>(context_, options, std::move(*tree)));
  watchers_.back()->start();
  return watchers_.back()->json();
}

std::optional<std::string> Watchers::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& watcher : watchers_) {
    if (watcher->id() == id) return watcher->json();
  }
  return {};
}

std::string Watchers::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& watcher : watchers_) all.push_back(watcher->json());
  return jsonArray(all);
}

bool Watchers::remove(const std::string& id) {
  std::shared_ptr<Watcher> watcher;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(watchers_.begin(), watchers_.end(), [&](const auto& one) { return one->id() == id; });
    if (at == watchers_.end()) return false;
    watcher = std::move(*at);
    watchers_.erase(at);
  }
  watcher->end();
  return true;
}

void Watchers::stop() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    watchers.swap(watchers_);
  }
  for (const auto& watcher : watchers) watcher->end();
}

}  // namespace computesdk::sandboxd

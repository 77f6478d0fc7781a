#include "watchers/watcher.hpp"

#include <algorithm>
#include <utility>

#include "core/answer.hpp"
#include "core/utf8.hpp"
#include "files/io.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {

Watchers::Watcher::Watcher(Context& context, WatcherOptions options, std::unique_ptr<TreeWatch> tree)
    : context_(context),
      loop_(context.loop()),
      workers_(context.workers()),
      options_(std::move(options)),
      id_(Context::newId("watcher_")),
      channel_("watcher:" + id_),
      tree_(std::move(tree)) {}

std::string Watchers::Watcher::json() const {
  return JsonObject()
      .text("id", id_)
      .text("path", options_.path)
      .boolean("includeContent", options_.includeContent)
      .raw("ignored", jsonStrings(options_.ignored))
      .text("status", "active")
      .text("channel", channel_)
      .textIfAny("encoding", options_.encoding.value_or(""))
      .text("ws_url", context_.socketUrl())
      .str();
}

void Watchers::Watcher::start() {
  context_.hub().publish(channel_, "watcher:created", JsonObject().text("id", id_).text("path", options_.path).str());
  loop_.dispatch([self = shared_from_this()] { self->wait({}); });
}

void Watchers::Watcher::end() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(silent_, true)) return;
    context_.hub().publish(channel_, "watcher:destroyed", JsonObject().text("id", id_).str());
  }
  loop_.dispatch([self = shared_from_this()] {
    self->ended_ = true;
    self->timer_.cancel();
    self->watch_.stop();
    const std::lock_guard lock(self->mutex_);
    self->tree_.reset();
  });
}

void Watchers::Watcher::wait(const Next& next) {
  if (ended_) return;
  if (next.more) return waitForReaders();
  // The functions hold no reference: end() is what lets the watcher go, and it runs on this thread.
  if (!watch_.active()) watch_ = loop_.watch(tree_->descriptor());
  if (watch_.active()) watch_.readable([this] { wake(); });
  if (!next.due) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next.due - TreeWatch::Clock::now());
  timer_ = loop_.after(std::max(left, std::chrono::milliseconds(1)), [this] { wake(); });
}

// What a burst changed may be more than a client takes at once, and one that lags behind too far is dropped.
void Watchers::Watcher::waitForReaders() {
  const std::lock_guard lock(mutex_);  // as long as it is not silent, the context is there
  if (silent_) return;
  const std::chrono::milliseconds pause(context_.hub().congested(channel_) ? 20 : 1);
  timer_ = loop_.after(pause, [this] { wake(); });
}

void Watchers::Watcher::wake() {
  timer_.cancel();
  watch_.stop();  // until the worker has read what is there
  workers_.run([self = shared_from_this()] { self->work(); });
}

void Watchers::Watcher::work() {
  constexpr std::size_t kAtOnce = 512U << 10U;
  Next next;
  {
    const std::lock_guard lock(mutex_);
    if (silent_ || !tree_) return;
    const auto now = TreeWatch::Clock::now();
    tree_->readEvents(now);
    tree_->settle(now, [this](const FileEvent& event) { untold_.push_back(event); });
    for (std::size_t told = 0; !untold_.empty() && told < kAtOnce; untold_.pop_front()) told += tell(untold_.front());
    next = {tree_->due(), !untold_.empty()};
  }
  loop_.dispatch([self = shared_from_this(), next] { self->wait(next); });
}

std::optional<std::string> Watchers::Watcher::contentOf(const FileEvent& event) const {
  const bool wanted = event.kind == FileEvent::Kind::kAdd || event.kind == FileEvent::Kind::kChange;
  if (!options_.includeContent || !wanted) return {};
  const std::string path = event.path.empty() ? options_.absolute : joinPath(options_.absolute, event.path);
  Result<std::string> content = readFile(path, kMaxContent);
  if (!content) return {};
  return options_.encoding == "base64" ? base64(*content) : std::move(*content);
}

std::size_t Watchers::Watcher::tell(const FileEvent& event) {
  JsonObject data;
  data.text("event", nameOf(event.kind));
  data.text("path", event.path.empty() ? options_.path : joinPath(options_.path, event.path));
  if (const std::optional<std::string> content = contentOf(event)) {
    data.text("content", *content).text("encoding", options_.encoding.value_or("raw"));
  }
  std::string text = data.str();
  const std::size_t size = text.size();
  context_.hub().publish(channel_, "file:changed", std::move(text));
  return size;
}

}  // namespace computesdk::sandboxd

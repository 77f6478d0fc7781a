#include <computesdk/sandbox.hpp>
#include <computesdk/watcher.hpp>

#include "daemon/collection.hpp"

#include <array>

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kWatchers{"watcher", "watchers", "/watchers", "watchers"};
constexpr std::array<std::string_view, 5> kKindNames = {"add", "change", "unlink", "addDir", "unlinkDir"};

WatcherInfo watcherFrom(const JsonView& json) {
  WatcherInfo info;
  info.id = json.textOr("id");
  info.path = json.textOr("path");
  info.includeContent = json["includeContent"].booleanOr(false);
  info.ignored = json["ignored"].texts();
  info.status = json.textOr("status");
  return info;
}

std::optional<FileChange> changeFrom(const JsonView& data) {
  FileChange change;
  std::size_t kind = 0;
  while (kind < kKindNames.size() && kKindNames[kind] != data["event"].text()) ++kind;
  if (kind == kKindNames.size()) return std::nullopt;
  change.kind = static_cast<FileChange::Kind>(kind);
  change.path = data.textOr("path");
  if (data["content"].present()) change.content = data.textOr("content");
  return change;
}

}  // namespace

std::string_view toString(FileChange::Kind kind) noexcept {
  const auto index = static_cast<std::size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : kKindNames[1];
}

FileWatcher::FileWatcher(std::shared_ptr<detail::SandboxState> sandbox, WatcherInfo info)
    : sandbox_(std::move(sandbox)),
      info_(std::move(info)),
      events_(std::make_shared<detail::EventChannel>(sandbox_, "watcher:" + info_.id)) {}

Result<std::uint64_t> FileWatcher::onChange(Nothrow, std::function<void(const FileChange&)> handler) {
  return events_->listen([handler = std::move(handler)](std::string_view type, const JsonView& data) {
    if (type != "file:changed") return;
    if (const auto change = changeFrom(data)) handler(*change);
  });
}

Result<std::uint64_t> FileWatcher::onDestroyed(Nothrow, std::function<void()> handler) {
  return events_->listen([handler = std::move(handler)](std::string_view type, const JsonView&) {
    if (type == "watcher:destroyed" || type == detail::MessageSocket::kLost) handler();
  });
}

void FileWatcher::off(std::uint64_t handler) noexcept { events_->leave(handler); }

Result<void> FileWatcher::destroy(Nothrow, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kWatchers, info_.id, std::move(stop));
}

Result<FileWatcher> Watchers::create(Nothrow, std::string_view path, const WatchOptions& options) {
  JsonText text;
  text.beginObject().member("path", path).member("includeContent", options.includeContent);
  text.member("ignored", options.ignored).endObject();
  const DaemonCall call{.what = "cannot watch " + std::string(path),
                        .method = "POST",
                        .target = std::string(kWatchers.path),
                        .body = text.take(),
                        .stop = options.stop};
  return askFor<FileWatcher>(*sandbox_, call,
                             [&](const JsonView& json) { return FileWatcher(sandbox_, watcherFrom(json)); });
}

Result<std::vector<WatcherInfo>> Watchers::list(Nothrow, std::stop_token stop) {
  return detail::listAll<WatcherInfo>(*sandbox_, kWatchers, std::move(stop), watcherFrom);
}

Result<FileWatcher> Watchers::retrieve(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::findOne<FileWatcher>(*sandbox_, kWatchers, id, std::move(stop),
                                      [&](const JsonView& json) { return FileWatcher(sandbox_, watcherFrom(json)); });
}

Result<void> Watchers::destroy(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kWatchers, id, std::move(stop));
}

Watchers Sandbox::watcher() const { return Watchers(state_); }

}  // namespace computesdk

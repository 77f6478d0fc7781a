#include <computesdk/filesystem.hpp>
#include <computesdk/overlay.hpp>

#include "core/errors.hpp"
#include "daemon/collection.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

namespace computesdk {

using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kOverlays{"overlay", "overlays", "/filesystem/overlays", "overlays"};
constexpr std::array<std::string_view, 5> kOverlayStatus = {"unknown", "pending", "in_progress", "complete", "failed"};
constexpr std::chrono::milliseconds kFirstPause{50}, kLongestPause{5000};

OverlayStatus overlayStatusFrom(std::string_view name) {
  const auto found = std::find(kOverlayStatus.begin(), kOverlayStatus.end(), name);
  return found == kOverlayStatus.end() ? OverlayStatus::unknown
                                       : static_cast<OverlayStatus>(found - kOverlayStatus.begin());
}

OverlayInfo overlayFrom(const JsonView& json) {
  OverlayInfo info;
  info.id = json.textOr("id");
  info.source = json.textOr("source");
  info.target = json.textOr("target");
  info.strategy = json["strategy"].text() == "copy" ? OverlayStrategy::copy : OverlayStrategy::smart;
  info.status = overlayStatusFrom(json["copy_status"].text());
  info.error = json.textOr("copy_error");
  info.copiedFiles = json["stats"]["copied_files"].integerOr(0);
  info.copiedDirs = json["stats"]["copied_dirs"].integerOr(0);
  info.skipped = json["stats"]["skipped"].texts();
  info.createdAt = json["created_at"].time();
  return info;
}

/// False: it was stopped.
bool rest(std::chrono::milliseconds pause, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

std::string_view toString(OverlayStatus status) noexcept {
  const auto index = static_cast<std::size_t>(status);
  return index < kOverlayStatus.size() ? kOverlayStatus[index] : kOverlayStatus[0];
}

Result<OverlayInfo> Overlays::create(Nothrow, const OverlayOptions& options) {
  JsonText text;
  text.beginObject().member("source", options.source).member("target", options.target);
  if (!options.ignore.empty()) text.member("ignore", options.ignore);
  text.member("strategy", options.strategy == OverlayStrategy::copy ? "copy" : "smart").endObject();
  auto made = detail::createOne<OverlayInfo>(*sandbox_, kOverlays, text.take(), options.stop, overlayFrom);
  if (!made || !options.waitForCompletion) return made;
  return waitForCompletion(nothrow, made->id, std::chrono::minutes(5), options.stop);
}

Result<std::vector<OverlayInfo>> Overlays::list(Nothrow, std::stop_token stop) {
  return detail::listAll<OverlayInfo>(*sandbox_, kOverlays, std::move(stop), overlayFrom);
}

Result<OverlayInfo> Overlays::retrieve(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::findOne<OverlayInfo>(*sandbox_, kOverlays, id, std::move(stop), overlayFrom);
}

Result<void> Overlays::destroy(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kOverlays, id, std::move(stop));
}

Result<OverlayInfo> Overlays::waitForCompletion(Nothrow, std::string_view id, std::chrono::milliseconds timeout,
                                                std::stop_token stop) {
  using std::chrono::steady_clock;
  ErrorInfo error;
  error.what = "cannot wait for the overlay";
  if (timeout.count() < 0) return detail::invalidArgument(error.what, "the timeout is negative", "give 0 for none");
  const auto begin = steady_clock::now();
  for (auto pause = kFirstPause;; pause = std::min(pause * 3 / 2, kLongestPause)) {
    auto found = retrieve(nothrow, id, stop);
    if (!found || found->status == OverlayStatus::complete) return found;
    if (found->status == OverlayStatus::failed) {
      error.code = ErrorCode::precondition;
      error.why = "it failed: " + found->error;
      return error;
    }
    if (timeout.count() > 0) {
      const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
      if (spent >= timeout) {
        error.code = ErrorCode::timeout;
        error.why = "it is not complete after " + std::to_string(timeout.count()) + " ms";
        error.fix = "wait longer: it goes on";
        return error;
      }
      pause = std::min(pause, timeout - spent);
    }
    if (!rest(pause, stop)) return detail::cancelled(error.what);
  }
}

Overlays Filesystem::overlay() const { return Overlays(state_); }

}  // namespace computesdk

#pragma once

#include "common/session.hpp"

#include <computesdk/provider/services.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::vendor {

/// A call's input, taken piece by piece by the thread that also serves the session: ask next() in the `done` of
/// Session::until, which is asked again as soon as there is more.
class InputPump {
 public:
  InputPump(Session& session, plugin::Input input) : session_(session), input_(input) {}
  InputPump(const InputPump&) = delete;
  InputPump& operator=(const InputPump&) = delete;

  /// True: a piece of at most 64 KiB is in `buffer`. False: ended(), or nothing there now.
  bool next(std::string& buffer);
  [[nodiscard]] bool ended() const noexcept { return ended_; }

 private:
  struct Waker {
    InputPump* pump;
    void operator()() const;
  };
  Session& session_;
  plugin::Input input_;
  std::atomic<bool> armed_{false};
  bool ended_ = false;
  std::optional<plugin::Input::ReadableGuard<Waker>> guard_;
};

/// Sends a request whose body is `before`, the content of an fs_write, `after`, and returns the answer (of any status).
/// Content given inline goes as one body, which `request.retry` may repeat; a source is streamed as the peer takes it.
/// An answer that comes early ends the sending.
Answer upload(Session& session, Request request, const csdk_fs_args& content, std::string_view before = {},
              std::string_view after = {});

}  // namespace computesdk::vendor

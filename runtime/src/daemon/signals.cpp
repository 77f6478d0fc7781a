#include <computesdk/sandbox.hpp>
#include <computesdk/signals.hpp>

#include "daemon/event_channel.hpp"

#include <optional>

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

std::optional<SandboxSignal> signalFrom(std::string_view type, const JsonView& data) {
  if (type != "signal") return std::nullopt;
  SandboxSignal signal;
  const std::string_view kind = data["signal"].text();
  if (kind == "error") {
    signal.kind = SandboxSignal::Kind::error;
  } else if (kind == "server-ready") {
    signal.kind = SandboxSignal::Kind::serverReady;
  } else if (kind != "port") {
    return std::nullopt;
  }
  const std::int64_t port = data["port"].integerOr(0);
  if (port > 0 && port < 65536) signal.port = static_cast<std::uint16_t>(port);
  signal.url = data.textOr("url");
  signal.open = data["type"].text() != "close";
  signal.message = data.textOr("message");
  return signal;
}

detail::MessageSocket::Handler handlerFor(std::optional<SandboxSignal::Kind> kind, SignalService::Handler handler) {
  return [kind, handler = std::move(handler)](std::string_view type, const JsonView& data) {
    const auto signal = signalFrom(type, data);
    if (signal && (!kind || signal->kind == *kind)) handler(*signal);
  };
}

DaemonCall signalCall(std::string what, std::string target, std::string body, std::stop_token stop) {
  return {.what = std::move(what),
          .method = "POST",
          .target = std::move(target),
          .body = std::move(body),
          .stop = std::move(stop)};
}

}  // namespace

SignalService::SignalService(std::shared_ptr<detail::SandboxState> sandbox, std::string channel)
    : sandbox_(std::move(sandbox)),
      events_(std::make_shared<detail::EventChannel>(sandbox_, channel.empty() ? "signals" : std::move(channel))) {}

Result<std::uint64_t> SignalService::onPort(Nothrow, Handler handler) {
  return events_->listen(handlerFor(SandboxSignal::Kind::port, std::move(handler)));
}
Result<std::uint64_t> SignalService::onError(Nothrow, Handler handler) {
  return events_->listen(handlerFor(SandboxSignal::Kind::error, std::move(handler)));
}
Result<std::uint64_t> SignalService::onServerReady(Nothrow, Handler handler) {
  return events_->listen(handlerFor(SandboxSignal::Kind::serverReady, std::move(handler)));
}
Result<std::uint64_t> SignalService::onSignal(Nothrow, Handler handler) {
  return events_->listen(handlerFor(std::nullopt, std::move(handler)));
}
void SignalService::off(std::uint64_t handler) noexcept { events_->leave(handler); }

Result<void> SignalService::stop(Nothrow, std::stop_token stop) {
  return detail::tell(*sandbox_, signalCall("cannot stop the signals", "/signals/stop", {}, std::move(stop)));
}

Result<SignalService> Signals::start(Nothrow, std::stop_token stop) {
  return askFor<SignalService>(*sandbox_, signalCall("cannot start the signals", "/signals/start", {}, std::move(stop)),
                               [&](const JsonView& json) { return SignalService(sandbox_, json.textOr("channel")); });
}

Result<void> Signals::stop(Nothrow, std::stop_token stop) {
  return detail::tell(*sandbox_, signalCall("cannot stop the signals", "/signals/stop", {}, std::move(stop)));
}

Result<bool> Signals::active(Nothrow, std::stop_token stop) {
  const DaemonCall call{.what = "cannot ask about the signals", .target = "/signals/status", .stop = std::move(stop)};
  return askFor<bool>(*sandbox_, call, [](const JsonView& json) { return json["status"].text() == "active"; });
}

Result<void> Signals::emitPort(Nothrow, std::uint16_t port, bool open, std::string_view url, std::stop_token stop) {
  JsonText text;
  text.beginObject().member("port", std::int64_t{port}).member("type", open ? "open" : "close");
  text.member("url", url).endObject();
  return detail::tell(*sandbox_, signalCall("cannot emit a signal", "/signals/port", text.take(), std::move(stop)));
}

Result<void> Signals::emitError(Nothrow, std::string_view message, std::stop_token stop) {
  JsonText text;
  text.beginObject().member("message", message).endObject();
  return detail::tell(*sandbox_, signalCall("cannot emit a signal", "/signals/error", text.take(), std::move(stop)));
}

Result<void> Signals::emitServerReady(Nothrow, std::uint16_t port, std::string_view url, std::stop_token stop) {
  JsonText text;
  text.beginObject().member("port", std::int64_t{port}).member("url", url).endObject();
  return detail::tell(*sandbox_,
                      signalCall("cannot emit a signal", "/signals/server-ready", text.take(), std::move(stop)));
}

Signals Sandbox::signals() const { return Signals(state_); }

}  // namespace computesdk

#include <computesdk/env_file.hpp>
#include <computesdk/sandbox.hpp>

#include "daemon/event_channel.hpp"

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

DaemonCall envCall(std::string_view what, std::string method, std::string_view file, std::stop_token stop) {
  return {.what = std::string(what) + " " + std::string(file),
          .method = std::move(method),
          .target = detail::below("/env?file=", file),
          .stop = std::move(stop)};
}

std::vector<std::string> keysFrom(const JsonView& json) { return json["keys"].texts(); }

}  // namespace

Result<StringMap> EnvFiles::retrieve(Nothrow, std::string_view file, std::stop_token stop) {
  return askFor<StringMap>(*sandbox_, envCall("cannot read the variables of", "GET", file, std::move(stop)),
                           [](const JsonView& json) { return json["variables"].textMap(); });
}

Result<std::vector<std::string>> EnvFiles::update(Nothrow, std::string_view file, const StringMap& variables,
                                                  std::stop_token stop) {
  DaemonCall call = envCall("cannot set variables in", "POST", file, std::move(stop));
  JsonText text;
  text.beginObject().member("variables", variables).endObject();
  call.body = text.take();
  return askFor<std::vector<std::string>>(*sandbox_, call, keysFrom);
}

Result<std::vector<std::string>> EnvFiles::remove(Nothrow, std::string_view file, const std::vector<std::string>& keys,
                                                  std::stop_token stop) {
  DaemonCall call = envCall("cannot remove variables from", "DELETE", file, std::move(stop));
  JsonText text;
  text.beginObject().member("keys", keys).endObject();
  call.body = text.take();
  return askFor<std::vector<std::string>>(*sandbox_, call, keysFrom);
}

Result<bool> EnvFiles::exists(Nothrow, std::string_view file, std::stop_token stop) {
  const DaemonCall call = envCall("cannot look for", "HEAD", file, std::move(stop));
  auto answer = sandbox_->daemon().send(call);
  if (!answer) return std::move(answer).error();
  if (answer->status == 404) return false;
  if (answer->status >= 200 && answer->status < 300) return true;
  return detail::daemonFailure(*sandbox_, call.what, *answer);
}

EnvFiles Sandbox::env() const { return EnvFiles(state_); }

}  // namespace computesdk

#include <computesdk/child_sandboxes.hpp>
#include <computesdk/sandbox.hpp>

#include "daemon/event_channel.hpp"

namespace computesdk {

using detail::askFor;
using detail::below;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

ChildSandbox childFrom(const JsonView& json) {
  ChildSandbox child;
  child.subdomain = json.textOr("subdomain");
  child.directory = json.textOr("directory");
  child.isMain = json["is_main"].booleanOr(false);
  child.url = json.textOr("url");
  child.createdAt = json["created_at"].time();
  return child;
}

}  // namespace

Result<ChildSandbox> ChildSandboxes::create(Nothrow, const ChildSandboxOptions& options) {
  JsonText text;
  text.beginObject().memberIfAny("directory", options.directory).endObject();
  const DaemonCall call{.what = "cannot create a child sandbox",
                        .method = "POST",
                        .target = "/sandboxes",
                        .body = text.take(),
                        .stop = options.stop};
  return askFor<ChildSandbox>(*sandbox_, call, childFrom);
}

Result<std::vector<ChildSandbox>> ChildSandboxes::list(Nothrow, std::stop_token stop) {
  const DaemonCall call{.what = "cannot list child sandboxes", .target = "/sandboxes", .stop = std::move(stop)};
  return askFor<std::vector<ChildSandbox>>(*sandbox_, call, [](const JsonView& json) {
    std::vector<ChildSandbox> all;
    json["sandboxes"].eachItem([&](const JsonView& one) { all.push_back(childFrom(one)); });
    return all;
  });
}

Result<ChildSandbox> ChildSandboxes::retrieve(Nothrow, std::string_view subdomain, std::stop_token stop) {
  const DaemonCall call{
      .what = "cannot find the child sandbox", .target = below("/sandboxes/", subdomain), .stop = std::move(stop)};
  return askFor<ChildSandbox>(*sandbox_, call, childFrom);
}

Result<void> ChildSandboxes::destroy(Nothrow, std::string_view subdomain, bool deleteFiles, std::stop_token stop) {
  return detail::tell(*sandbox_, {.what = "cannot destroy the child sandbox",
                                  .method = "DELETE",
                                  .target = below("/sandboxes/", subdomain) +
                                            (deleteFiles ? "?delete_files=true" : "?delete_files=false"),
                                  .stop = std::move(stop)});
}

ChildSandboxes Sandbox::sandboxes() const { return ChildSandboxes(state_); }

}  // namespace computesdk

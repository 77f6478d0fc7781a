#include <computesdk/child_sandboxes.hpp>
#include <computesdk/sandbox.hpp>

#include "daemon/collection.hpp"

namespace computesdk {

using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kChildren{"child sandbox", "child sandboxes", "/sandboxes", "sandboxes"};

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
  return detail::createOne<ChildSandbox>(*sandbox_, kChildren, text.take(), options.stop, childFrom);
}

Result<std::vector<ChildSandbox>> ChildSandboxes::list(Nothrow, std::stop_token stop) {
  return detail::listAll<ChildSandbox>(*sandbox_, kChildren, std::move(stop), childFrom);
}

Result<ChildSandbox> ChildSandboxes::retrieve(Nothrow, std::string_view subdomain, std::stop_token stop) {
  return detail::findOne<ChildSandbox>(*sandbox_, kChildren, subdomain, std::move(stop), childFrom);
}

Result<void> ChildSandboxes::destroy(Nothrow, std::string_view subdomain, bool deleteFiles, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kChildren, subdomain, std::move(stop),
                            deleteFiles ? "?delete_files=true" : "?delete_files=false");
}

ChildSandboxes Sandbox::sandboxes() const { return ChildSandboxes(state_); }

}  // namespace computesdk

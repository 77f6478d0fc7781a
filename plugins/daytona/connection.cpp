#include "daytona/connection.hpp"

#include "common/text.hpp"

#include <computesdk/provider/views.hpp>

namespace computesdk::daytona {

std::optional<Connection> Connection::of(const csdk_target& target) {
  const auto token = vendor::SandboxToken::parse(target.token);
  if (!token) return {};
  Connection out;
  out.id = plugin::view(target.id);
  out.toolbox = token->get("toolbox");
  out.directory = token->get("dir");
  if (out.toolbox.empty()) return {};
  return out;
}

Connection Connection::of(vendor::Json sandbox) {
  Connection out;
  out.id = sandbox.text("id");
  out.toolbox = vendor::withoutTrailingSlash(sandbox.textOr("toolboxProxyUrl"));
  out.directory = sandbox["labels"].textOr(kDirectoryLabel);
  return out;
}

std::string Connection::token() const {
  vendor::SandboxToken token;
  return token.set("toolbox", toolbox).set("dir", directory).write();
}

}  // namespace computesdk::daytona

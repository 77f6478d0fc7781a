#include "gateway/connection.hpp"

#include "common/text.hpp"
#include "common/time.hpp"
#include "common/token.hpp"

#include <computesdk/provider/views.hpp>

namespace computesdk::gateway {

using plugin::view;
using vendor::Json;
using vendor::JsonValue;

std::optional<Connection> Connection::of(const csdk_target& target) {
  const auto token = vendor::SandboxToken::parse(target.token);
  if (!token || token->get("url").empty()) return {};
  return Connection{token->get("url"), token->get("access")};
}

Connection Connection::of(Json sandbox) {
  return {vendor::withoutTrailingSlash(sandbox.text("url")), std::string(sandbox.textOr("token"))};
}

std::string Connection::token() const {
  vendor::SandboxToken token;
  return token.set("url", url).set("access", access).write();
}

vendor::SandboxResult resultOf(Json sandbox) {
  vendor::SandboxResult result;
  result.id = sandbox.text("sandboxId");
  result.token = Connection::of(sandbox).token();
  result.status = sandbox.textOr("status", "running") == "creating" ? CSDK_SANDBOX_STARTING : CSDK_SANDBOX_RUNNING;
  result.createdMs = vendor::timeOr0(sandbox.textOr("createdAt"));
  result.expiresMs = vendor::timeOr0(sandbox.textOr("expiresAt"));
  result.name = sandbox.textOr("name");
  for (const auto& [key, value] : sandbox["metadata"].members()) {
    if (key == kCreateLabel) continue;
    const auto text = value.asText();
    result.metadata.emplace_back(key, text ? std::string(*text) : value.write());
  }
  JsonValue native = JsonValue::of(sandbox);
  native.erase("token");
  result.nativeJson = native.write();
  return result;
}

JsonValue createBody(const csdk_create_args& args) {
  if ((args.flags & CSDK_CREATE_LIMITS) != 0) {
    throw plugin::Error(CSDK_UNIMPLEMENTED, "a gateway takes no CPU, memory or disk")
        .errorClass(CSDK_ERROR_LIMIT)
        .fix("choose a template or an image of the size that you need");
  }
  JsonValue body = JsonValue::object();
  body.setText("templateId", view(args.template_id)).setText("image", view(args.image));
  body.setText("snapshotId", view(args.snapshot_id)).setText("runtime", view(args.runtime));
  body.setText("directory", view(args.working_directory));
  if (args.timeout_ms > 0) body.set("timeout", args.timeout_ms);
  if (args.env.count != 0) body.set("envs", JsonValue::of(args.env));
  JsonValue metadata = JsonValue::of(args.metadata);
  if (args.idempotency_key.size != 0) metadata.set(kCreateLabel, view(args.idempotency_key));
  body.set("metadata", std::move(metadata));
  body.setOptions(args.options);
  return body;
}

std::string portUrl(const std::string& url, unsigned port, std::string_view protocol) {
  const auto scheme = url.find("://");
  const auto path = url.find('/', scheme + 3);
  std::string out(protocol.empty() ? std::string_view(url).substr(0, scheme) : protocol);
  out += "://";
  if (path != std::string::npos) return out + url.substr(scheme + 3) + "/p/" + std::to_string(port) + "/";
  std::string host = url.substr(scheme + 3);
  const auto dot = std::min(host.find_first_of(".:"), host.size());
  return out + host.insert(dot, "-" + std::to_string(port));
}

}  // namespace computesdk::gateway

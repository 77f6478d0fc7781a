// The gateway as a provider: its /v1 API for sandboxes, and their daemons behind it for commands.
#include <computesdk/provider.hpp>

#include "common/orphan.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "gateway/connection.hpp"
#include "gateway/run.hpp"
#include "gateway/settings.hpp"

namespace computesdk::gateway {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: nothing of it changes once it is made.
class Gateway {
 public:
  static constexpr std::uint32_t kCreateFlags = CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit Gateway(const plugin::Options& config) : control_(control(config)) {}

  void create(Call& call, const csdk_create_args& args) {
    const JsonValue body = createBody(args);
    Session session(call);
    const std::string_view label = view(args.idempotency_key);
    vendor::createOrUndo(
        session, {[&](std::optional<std::string>& id) {
                    const JsonDocument made = ask(session, "/v1/sandboxes", body, "create");
                    id = made["data"].text("sandboxId");
                    resultOf(made["data"]).emit(call);
                  },
                  [&] { return findMade(session, label); }, [&](const std::string& id) { remove(session, id); }});
  }

  void inspect(Call& call, const csdk_target_args& args) {
    Session session(call);
    resultOf(look(session, args.target)["data"]).emit(call);
  }

  void list(Call& call, const csdk_list_args& args) {
    Session session(call);
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    const JsonDocument all = everything(session);
    for (const Json one : all["data"].items()) {
      const vendor::SandboxResult result = resultOf(one);
      if (!vendor::carriesAll(result.metadata, args.metadata)) continue;
      if (left-- == 0) return;
      result.emit(call);
    }
  }

  void destroy(Call& call, const csdk_target_args& args) {
    Session session(call);
    remove(session, std::string(view(args.target.id)));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    const std::string url = portUrl(reach(session, args.target).url, args.port, view(args.protocol));
    csdk_url result{};
    result.url = plugin::str(url);
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) {
    Session session(call);
    runCommand(session, daemonOf(reach(session, args.target)), args);
  }

  void extend(Call& call, const csdk_extend_args& args) {
    Session session(call);
    JsonValue body = JsonValue::object();
    body.set("duration", args.duration_ms);
    const Answer answer = control_.send(session, control_.post(pathOf(args.target) + "/extend", body), {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    resultOf(look(session, args.target)["data"]).emit(call);
  }

  void namedFind(Call& call, const csdk_named_args& args) {
    Session session(call);
    const Answer answer = control_.send(session, control_.post("/v1/sandboxes/find", named(args)), {404});
    if (answer.status == 404) throw Error(CSDK_NOT_FOUND, "there is no sandbox of that name");
    const JsonDocument found = control_.json(answer, "find");
    if (!found["data"]) throw Error(CSDK_NOT_FOUND, "there is no sandbox of that name");
    resultOf(found["data"]).emit(call);
  }

  void namedFindOrCreate(Call& call, const csdk_named_args& args) {
    Session session(call);
    JsonValue body = args.create != nullptr ? createBody(*args.create) : JsonValue::object();
    body.set("namespace", view(args.name_space)).set("name", view(args.name));
    // Asking again is how one waits for it; the name keeps it one.
    for (std::int64_t pause = 500;; pause = std::min<std::int64_t>(pause * 3 / 2, 2000)) {
      const JsonDocument found = ask(session, "/v1/sandboxes/find-or-create", body, "find or create");
      const vendor::SandboxResult result = resultOf(found["data"]);
      if (result.status == CSDK_SANDBOX_RUNNING) return result.emit(call);
      session.pause(pause);
    }
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    JsonValue body = JsonValue::object();
    body.set("sandboxId", view(args.target.id)).setText("name", view(args.name));
    if (args.metadata.count != 0) body.set("metadata", JsonValue::of(args.metadata));
    vendor::Request request = control_.post("/v1/snapshots", body);
    request.headTimeoutMs = 300000;
    const Answer answer = control_.send(session, request, {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    emitSnapshot(call, control_.json(answer, "snapshot")["data"], view(args.target.id));
  }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    const Answer answer = control_.send(session, control_.get("/v1/snapshots"));
    const JsonDocument all = control_.json(answer, "list snapshots");
    const std::string_view wanted = view(args.target.id);
    for (const Json one : all["data"].items()) {
      if (wanted.empty() || one.textOr("sandboxId") == wanted) emitSnapshot(call, one, {});
    }
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    control_.send(session, control_.remove("/v1/snapshots/" + vendor::pathSegment(view(args.snapshot_id))), {404});
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    if (view(args.operation) != "daemon" || args.target.id.size == 0) {
      throw Error(CSDK_UNIMPLEMENTED, "a gateway knows the call 'daemon' of a sandbox");
    }
    Session session(call);
    const Connection connection = reach(session, args.target);
    JsonValue out = JsonValue::object();
    out.set("url", connection.url).set("token", connection.access);
    call.emitJson(out.write());
  }

 private:
  static std::string pathOf(const csdk_target& target) {
    return "/v1/sandboxes/" + vendor::pathSegment(view(target.id));
  }

  static JsonValue named(const csdk_named_args& args) {
    JsonValue body = JsonValue::object();
    body.set("namespace", view(args.name_space)).set("name", view(args.name));
    return body;
  }

  static void emitSnapshot(const Call& call, Json one, std::string_view sandbox) {
    csdk_snapshot snapshot{};
    snapshot.id = plugin::str(one.text("id"));
    snapshot.name = plugin::str(one.textOr("name"));
    snapshot.sandbox_id = plugin::str(one.textOr("sandboxId", sandbox));
    snapshot.created_ms = vendor::timeOr0(one.textOr("createdAt"));
    snapshot.size_bytes = -1;
    call.emit(snapshot);
  }

  /// A create may take as long as the provider behind the gateway needs.
  JsonDocument ask(Session& session, std::string_view path, const JsonValue& body, std::string_view operation) const {
    vendor::Request request = control_.post(path, body);
    request.headTimeoutMs = 120000;
    return control_.json(control_.send(session, request), operation);
  }

  JsonDocument look(Session& session, const csdk_target& target) const {
    const Answer answer = control_.send(session, control_.get(pathOf(target)), {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(target.id));
    return control_.json(answer, "inspect");
  }

  JsonDocument everything(Session& session) const {
    const Answer answer = control_.send(session, control_.get("/v1/sandboxes"), {404, 405});
    if (answer.ok()) return control_.json(answer, "list");
    throw Error(CSDK_UNIMPLEMENTED, "The gateway does not support listing sandboxes")
        .fix("use getById with the id of a sandbox");
  }

  std::vector<std::string> findMade(Session& session, std::string_view label) const {
    std::vector<std::string> ids;
    const JsonDocument all = everything(session);
    for (const Json one : all["data"].items()) {
      if (!label.empty() && one["metadata"].textOr(kCreateLabel) == label) ids.emplace_back(one.text("sandboxId"));
    }
    return ids;
  }

  void remove(Session& session, const std::string& id) const {
    if (id == "." || id == "..") return;
    control_.send(session, control_.remove("/v1/sandboxes/" + vendor::pathSegment(id)), {404});
  }

  Connection reach(Session& session, const csdk_target& target) const {
    if (auto known = Connection::of(target)) return *known;
    const Connection connection = Connection::of(look(session, target)["data"]);
    session.call().token(connection.token());
    return connection;
  }

  static vendor::Api daemonOf(const Connection& connection) {
    vendor::Api::Settings api;
    api.title = "the sandbox's daemon";
    api.baseUrl = connection.url;
    api.userAgent = "computesdk-cpp-gateway/" CSDK_GATEWAY_VERSION;
    api.headers = {{"Authorization", "Bearer " + connection.access}};
    api.hidden = {connection.access};
    return vendor::Api(std::move(api));
  }

  const vendor::Api control_;
};

}  // namespace computesdk::gateway

CSDK_PROVIDER(computesdk::gateway::Gateway, "gateway", CSDK_GATEWAY_VERSION)

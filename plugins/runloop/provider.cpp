// The Runloop provider: what the plug-in ABI asks for, by Runloop's API.
#include <computesdk/provider.hpp>

#include "common/orphan.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "runloop/devbox.hpp"
#include "runloop/executions.hpp"
#include "runloop/files.hpp"
#include "runloop/images.hpp"
#include "runloop/processes.hpp"
#include "runloop/run.hpp"

namespace computesdk::runloop {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: nothing of it changes once it is made.
class Runloop {
 public:
  static constexpr std::uint32_t kCreateFlags =
      CSDK_CREATE_NETWORK | CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit Runloop(const plugin::Options& config) : settings_(Settings::of(config)), api_(apiOf(settings_)) {}

  void create(Call& call, const csdk_create_args& args) {
    const JsonValue body = createBody(args);
    Session session(call);
    vendor::createOrUndo(session, {[&](std::optional<std::string>& id) { make(session, args, body, id); },
                                   [&] { return findMade(session, view(args.idempotency_key)); },
                                   [&](const std::string& id) { destroyDevbox(session, api_, id); }});
  }

  void inspect(Call& call, const csdk_target_args& args) {
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    devbox.emit(devbox.look().root());
  }

  void attach(Call& call, const csdk_target_args& args) {
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    JsonDocument box = devbox.look();
    const std::string_view status = box.root().text("status");
    if (statusOf(status) == CSDK_SANDBOX_STOPPED) {
      if (status == "suspending") static_cast<void>(devbox.waitFor({"suspended"}));
      devbox.send(api_.request("POST", devbox.path("resume")));
    }
    if (status != "running" && status != "failure") box = devbox.waitFor({"running"});
    devbox.emit(box.root());
  }

  void resume(Call& call, const csdk_target_args& args) { attach(call, args); }

  void pause(Call& call, const csdk_target_args& args) {
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    const Answer answer = devbox.send(api_.request("POST", devbox.path("suspend")), {400, 409});
    // 400: it does not run. Suspended already is what was wanted.
    JsonDocument box = answer.ok() ? api_.json(answer, "suspend") : devbox.look();
    const std::string_view status = box.root().text("status");
    if (!answer.ok() && statusOf(status) != CSDK_SANDBOX_STOPPED) throw devbox.explain(answer, true);
    if (status != "suspended") box = devbox.waitFor({"suspended"});
    devbox.emit(box.root());
  }

  void list(Call& call, const csdk_list_args& args) {
    Session session(call);
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    listAlive(session, api_, [&](Json box) {
      const vendor::SandboxResult result = resultOf(box);
      if (!vendor::carriesAll(result.metadata, args.metadata)) return true;
      result.emit(call);
      return --left > 0;
    });
  }

  void destroy(Call& call, const csdk_target_args& args) {
    Session session(call);
    destroyDevbox(session, api_, view(args.target.id));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    Memory memory = devbox.memory();
    if (memory.tunnelKey.empty()) {  // once a devbox; asked for again, the same comes
      const Answer answer = devbox.send(devbox.repeatable("enable_tunnel", JsonValue::object()));
      const JsonDocument tunnel = api_.json(answer, "enable_tunnel");
      memory.tunnelKey = tunnel.root().text("tunnel_key");
      memory.tunnelToken = tunnel.root().textOr("auth_token");
      call.token(memory.token());
    }
    const std::string_view protocol = args.protocol.size != 0 ? view(args.protocol) : "https";
    const std::string url = std::string(protocol) + "://" + std::to_string(args.port) + "-" +
                            vendor::percentEncode(memory.tunnelKey) + "." + settings_.tunnelDomain();
    const std::string bearer = "Bearer " + memory.tunnelToken;
    const vendor::Pairs headers = {{"Authorization", bearer}, {"X-Runloop-Tunnel-Authorization", bearer}};
    const std::vector<csdk_pair> lent = vendor::lend(headers);
    csdk_url result{};
    result.url = plugin::str(url);
    if (!memory.tunnelToken.empty()) result.headers = {lent.data(), lent.size()};
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) {
    Session session(call);
    Devbox devbox(session, api_, args.target);
    runCommand(devbox, args);
  }

  void fsRead(Call& call, const csdk_fs_args& args) { on(call, args, readFile); }
  void fsWrite(Call& call, const csdk_fs_args& args) { on(call, args, writeFile); }
  void fsList(Call& call, const csdk_fs_args& args) { on(call, args, listFolder); }
  void fsStat(Call& call, const csdk_fs_args& args) { on(call, args, statPath); }
  void fsMkdir(Call& call, const csdk_fs_args& args) { on(call, args, makeFolder); }
  void fsRemove(Call& call, const csdk_fs_args& args) { on(call, args, removePath); }
  void fsRename(Call& call, const csdk_fs_args& args) { on(call, args, renamePath); }

  void processStart(Call& call, const csdk_process_start_args& args) {
    Session session(call);
    Devbox devbox(session, api_, args.exec->target);
    runloop::processStart(devbox, args);
  }
  void processList(Call& call, const csdk_process_args& args) {
    Session session(call);
    Devbox devbox(session, api_, args.target);
    runloop::processList(devbox);
  }
  void processAttach(Call& call, const csdk_process_args& args) { on(call, args, runloop::processAttach); }
  void processWait(Call& call, const csdk_process_args& args) { on(call, args, runloop::processWait); }
  void processWriteStdin(Call& call, const csdk_process_args& args) { on(call, args, runloop::processWriteStdin); }
  void processSignal(Call& call, const csdk_process_args& args) { on(call, args, runloop::processSignal); }

  void extend(Call& call, const csdk_extend_args& args) {
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    const JsonDocument box = devbox.look();
    const std::int64_t lengthMs = box["launch_parameters"].integerOr("keep_alive_time_seconds", 0) * 1000;
    if (args.duration_ms > lengthMs) {
      throw Error(CSDK_OUT_OF_RANGE,
                  "Runloop starts a devbox's time again, at most with the length it was made with: " +
                      std::to_string(lengthMs / 1000) + " s here")
          .fix("make the devbox with a longer timeout, and extend it by no more than that");
    }
    devbox.send(devbox.repeatable("keep_alive", JsonValue::object()));
    vendor::SandboxResult result = resultOf(box.root());
    result.expiresMs = call.host().table().now_wall_ms(call.host().self()) + lengthMs;
    result.emit(call);
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) { on(call, args, createSnapshot); }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    listSnapshots(session, api_, args);
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    removeSnapshot(session, api_, view(args.snapshot_id));
  }
  void templateList(Call& call, const csdk_template_args&) {
    Session session(call);
    listBlueprints(session, api_);
  }
  void templateInspect(Call& call, const csdk_template_args& args) {
    Session session(call);
    emitBlueprint(session, api_, view(args.template_id));
  }
  void templateBuild(Call& call, const csdk_template_args& args) {
    Session session(call);
    buildBlueprint(session, api_, args);
  }
  void templateRemove(Call& call, const csdk_template_args& args) {
    Session session(call);
    removeBlueprint(session, api_, view(args.template_id));
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    const std::string_view operation = view(args.operation);
    const bool known = operation == "update" || operation == "keep_alive" || operation == "enable_tunnel";
    if (!known || args.target.id.size == 0) {
      throw Error(CSDK_UNIMPLEMENTED,
                  "Runloop knows the calls 'update', 'keep_alive' and 'enable_tunnel' of a sandbox");
    }
    Session session(call);
    const Devbox devbox(session, api_, args.target);
    const JsonValue body =
        args.json.size != 0 ? JsonValue::parse(view(args.json), "the call's argument") : JsonValue::object();
    const Answer answer = devbox.send(devbox.repeatable(operation == "update" ? "" : operation, body));
    call.emitJson(api_.json(answer, operation).root().write());
  }

 private:
  /// Creates, waits until it runs, and makes the working directory that was asked for.
  void make(Session& session, const csdk_create_args& args, const JsonValue& body, std::optional<std::string>& id) {
    vendor::Request request = api_.post("/v1/devboxes", body);
    if (args.idempotency_key.size != 0) request.headers.emplace_back("X-Request-Id", view(args.idempotency_key));
    JsonDocument made = api_.json(api_.send(session, request), "create");
    id = made.root().text("id");
    csdk_target target{};
    Memory memory;
    memory.directory = view(args.working_directory);
    const std::string token = memory.token();
    target.id = plugin::str(*id);
    target.token = plugin::bytes(std::string_view(token));
    Devbox devbox(session, api_, target);
    if (made.root().text("status") != "running") {
      session.call().emitSandbox(*id, CSDK_SANDBOX_STARTING);
      made = devbox.waitFor({"running"});
    }
    if (!memory.directory.empty()) {
      const ScriptResult result = runScript(devbox, "mkdir -p -- \"$1\"", {memory.directory});
      if (result.code != 0) {
        throw Error(CSDK_FAILED_PRECONDITION,
                    "the working directory could not be made: " + vendor::oneLine(result.err, 300));
      }
    }
    session.call().throwIfCancelled();
    devbox.emit(made.root());
  }

  std::vector<std::string> findMade(Session& session, std::string_view label) {
    std::vector<std::string> ids;
    if (label.empty()) return ids;
    listAlive(session, api_, [&](Json box) {
      if (box["metadata"].textOr(kCreateLabel) == label) ids.emplace_back(box.text("id"));
      return true;
    });
    return ids;
  }

  template <class Args, class F>
  void on(Call& call, const Args& args, F operation) {
    Session session(call);
    Devbox devbox(session, api_, args.target);
    operation(devbox, args);
  }

  const Settings settings_;
  const vendor::Api api_;
};

}  // namespace computesdk::runloop

CSDK_PROVIDER(computesdk::runloop::Runloop, "runloop", CSDK_RUNLOOP_VERSION)

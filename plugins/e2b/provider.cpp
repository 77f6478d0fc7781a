// The E2B provider: what the plug-in ABI asks for, by E2B's protocols.
#include <computesdk/provider.hpp>

#include "common/orphan.hpp"
#include "common/time.hpp"
#include "e2b/control.hpp"
#include "e2b/files.hpp"
#include "e2b/processes.hpp"
#include "e2b/run.hpp"

namespace computesdk::e2b {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: nothing of it changes once it is made.
class E2b {
 public:
  static constexpr std::uint32_t kCreateFlags =
      CSDK_CREATE_NETWORK | CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kProcessFlags = CSDK_PROCESS_PTY;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit E2b(const plugin::Options& config) : settings_(Settings::of(config)), control_(controlPlane(settings_)) {}

  void create(Call& call, const csdk_create_args& args) {
    const JsonValue body = createBody(args);
    if (settings_.debug) return call.emitSandbox(kDebugId);
    Session session(call);
    const std::string_view label = view(args.idempotency_key);
    vendor::createOrUndo(session, {[&](std::optional<std::string>& id) { make(session, args, body, id); },
                                   [&] { return findMade(session, label); },
                                   [&](const std::string& id) { destroySandbox(session, control_, id); }});
  }

  void inspect(Call& call, const csdk_target_args& args) {
    if (settings_.debug) return call.emitSandbox(view(args.target.id));
    Session session(call);
    emitAsked(session, args.target);
  }

  void attach(Call& call, const csdk_target_args& args) {
    if (settings_.debug) return call.emitSandbox(view(args.target.id));
    Session session(call);
    const Connection before = Connection::of(args.target).value_or(Connection{});
    const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id)) + "/connect";
    JsonValue body = JsonValue::object();
    JsonValue older = JsonValue::object();
    older.set("timeout", kDefaultSeconds);
    if (const auto seconds = JsonValue::parse(before.life.empty() ? "null" : before.life, "the token");
        !seconds.isNull()) {
      body.set("timeout", seconds);
      older.set("timeout", seconds);
    }
    // Connecting twice is the same as once.
    const Answer answer = postV2(session, control_, path, body, older, {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    const JsonDocument connected = control_.json(answer, "connect");
    const Connection connection = Connection::of(connected.root(), before);
    vendor::SandboxResult result = resultOf(connected.root());
    result.status = CSDK_SANDBOX_RUNNING;
    result.token = connection.token();
    result.workingDirectory = connection.directory;
    result.emit(call);
  }

  void resume(Call& call, const csdk_target_args& args) { attach(call, args); }

  void pause(Call& call, const csdk_target_args& args) {
    Session session(call);
    const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id)) + "/pause";
    vendor::Request request = control_.post(path, JsonValue::object());
    request.headTimeoutMs = 300000;  // a machine's memory is written to disk
    const Answer answer = control_.send(session, request, {404, 409});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    emitAsked(session, args.target);
  }

  void list(Call& call, const csdk_list_args& args) {
    if (settings_.debug) return call.emitSandbox(kDebugId);
    Session session(call);
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    listSandboxes(session, control_, args.metadata, [&](Json sandbox) {
      const vendor::SandboxResult result = resultOf(sandbox);
      if (!vendor::carriesAll(result.metadata, args.metadata)) return true;
      result.emit(call);
      return --left > 0;
    });
  }

  void destroy(Call& call, const csdk_target_args& args) {
    if (settings_.debug) return;
    Session session(call);
    destroySandbox(session, control_, view(args.target.id));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    std::optional<Connection> connection = Connection::of(args.target);
    if (!connection) {
      connection.emplace();
      connection->id = view(args.target.id);
      if (!settings_.debug) {
        connection = Connection::of(askAbout(session, control_, view(args.target.id)).root());
        call.token(connection->token());
      }
    }
    const std::string_view protocol = args.protocol.size != 0 ? view(args.protocol) : "https";
    const std::string url = std::string(protocol) + "://" + connection->hostOfPort(settings_, args.port);
    const vendor::Pairs headers = {{"E2B-Traffic-Access-Token", connection->traffic}};
    const std::vector<csdk_pair> lent = vendor::lend(headers);
    csdk_url result{};
    result.url = plugin::str(url);
    if (!connection->traffic.empty()) result.headers = {lent.data(), lent.size()};
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) {
    Session session(call);
    Envd envd = reach(session, args.target, args.options);
    runCommand(envd, args);
  }

  void fsRead(Call& call, const csdk_fs_args& args) { onFiles(call, args, readFile); }
  void fsWrite(Call& call, const csdk_fs_args& args) { onFiles(call, args, writeFile); }
  void fsList(Call& call, const csdk_fs_args& args) { onFiles(call, args, listFolder); }
  void fsStat(Call& call, const csdk_fs_args& args) { onFiles(call, args, statPath); }
  void fsMkdir(Call& call, const csdk_fs_args& args) { onFiles(call, args, makeFolder); }
  void fsRemove(Call& call, const csdk_fs_args& args) { onFiles(call, args, removePath); }
  void fsRename(Call& call, const csdk_fs_args& args) { onFiles(call, args, renamePath); }

  void processStart(Call& call, const csdk_process_start_args& args) {
    Session session(call);
    Envd envd = reach(session, args.exec->target, args.exec->options);
    e2b::processStart(envd, args);
  }
  void processList(Call& call, const csdk_process_args& args) {
    Session session(call);
    Envd envd = reach(session, args.target, {});
    e2b::processList(envd);
  }
  void processAttach(Call& call, const csdk_process_args& args) { onProcess(call, args, e2b::processAttach); }
  void processWait(Call& call, const csdk_process_args& args) { onProcess(call, args, e2b::processWait); }
  void processWriteStdin(Call& call, const csdk_process_args& args) { onProcess(call, args, e2b::processWriteStdin); }
  void processSignal(Call& call, const csdk_process_args& args) { onProcess(call, args, e2b::processSignal); }
  void processResize(Call& call, const csdk_process_args& args) { onProcess(call, args, e2b::processResize); }

  void extend(Call& call, const csdk_extend_args& args) {
    if (settings_.debug) return call.emitSandbox(view(args.target.id));
    Session session(call);
    const JsonDocument before = askAbout(session, control_, view(args.target.id));
    const plugin::Host& host = call.host();
    const std::int64_t wanted = host.table().now_wall_ms(host.self()) + args.duration_ms;
    vendor::SandboxResult result = resultOf(before.root());
    if (result.expiresMs < wanted) {  // E2B sets the end, also to an earlier one
      JsonValue body = JsonValue::object();
      body.set("timeout", vendor::ceilSeconds(args.duration_ms));
      const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id)) + "/timeout";
      const Answer answer = control_.send(session, control_.post(path, body), {400, 404});
      if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
      if (answer.status == 400) {
        vendor::Failure failure = control_.failure(session, answer, false);
        failure.is(CSDK_OUT_OF_RANGE).fix = "ask for less: E2B's plans have a longest time";
        throw failure.error();
      }
      result.expiresMs = wanted;
    }
    result.emit(call);
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    createSnapshot(session, control_, args);
  }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    listSnapshots(session, control_, args);
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    removeTemplate(session, control_, view(args.snapshot_id));
  }
  void templateList(Call& call, const csdk_template_args&) {
    Session session(call);
    listTemplates(session, control_, {});
  }
  void templateInspect(Call& call, const csdk_template_args& args) {
    Session session(call);
    listTemplates(session, control_, view(args.template_id));
  }
  void templateRemove(Call& call, const csdk_template_args& args) {
    Session session(call);
    removeTemplate(session, control_, view(args.template_id));
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    if (view(args.operation) != "metrics" || args.target.id.size == 0) {
      throw Error(CSDK_UNIMPLEMENTED, "E2B knows the call 'metrics' of a sandbox");
    }
    Session session(call);
    const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id)) + "/metrics";
    const Answer answer = control_.send(session, control_.get(path), {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    call.emitJson(control_.json(answer, "metrics").root().write());
  }

 private:
  static constexpr std::int64_t kDefaultSeconds = 300;

  /// Creates, and makes the working directory that was asked for.
  void make(Session& session, const csdk_create_args& args, const JsonValue& body, std::optional<std::string>& id) {
    JsonValue older = body;
    older.set("secure", true);  // the older path gives no token to the daemon otherwise
    const Answer answer = postV2(session, control_, "/sandboxes", body, older);
    const JsonDocument made = control_.json(answer, "create");
    Connection before;
    before.directory = view(args.working_directory);
    if (args.timeout_ms > 0) before.life = std::to_string(vendor::ceilSeconds(args.timeout_ms));
    id = made.root().text("sandboxID");
    const Connection connection = Connection::of(made.root(), before);
    if (!connection.versionAtLeast(0, 1, 0)) {
      throw Error(CSDK_FAILED_PRECONDITION, "the template's daemon (envd " + connection.version + ") is too old")
          .fix("rebuild the template with E2B's command line");
    }
    if (!before.directory.empty()) {
      Envd envd(session, control_, settings_, connection);
      JsonValue message = JsonValue::object();
      message.set("path", before.directory);
      envd.rpc("filesystem.Filesystem/MakeDir", message, "already_exists");
    }
    session.call().throwIfCancelled();
    const plugin::Host& host = session.call().host();
    vendor::SandboxResult result = resultOf(made.root());
    result.status = CSDK_SANDBOX_RUNNING;
    result.token = connection.token();
    result.workingDirectory = before.directory;
    result.name = view(args.name);
    result.createdMs = host.table().now_wall_ms(host.self());
    result.expiresMs = result.createdMs + (args.timeout_ms > 0 ? args.timeout_ms : kDefaultSeconds * 1000);
    for (const csdk_pair& pair : view(args.metadata)) result.metadata.emplace_back(view(pair.key), view(pair.value));
    if ((args.flags & CSDK_CREATE_NETWORK) != 0) result.network = args.network;
    result.emit(session.call());
  }

  std::vector<std::string> findMade(Session& session, std::string_view label) {
    std::vector<std::string> ids;
    if (label.empty()) return ids;
    const csdk_pair wanted{plugin::str(kCreateLabel), plugin::str(label)};
    listSandboxes(session, control_, {&wanted, 1}, [&](Json sandbox) {
      if (sandbox["metadata"].textOr(kCreateLabel) == label) ids.emplace_back(sandbox.text("sandboxID"));
      return true;
    });
    return ids;
  }

  void emitAsked(Session& session, const csdk_target& target) {
    const JsonDocument asked = askAbout(session, control_, view(target.id));
    const Connection connection = Connection::of(asked.root(), Connection::of(target).value_or(Connection{}));
    vendor::SandboxResult result = resultOf(asked.root());
    result.token = connection.token();
    result.workingDirectory = connection.directory;
    result.nativeJson = nativeOf(asked.root());
    result.emit(session.call());
  }

  Envd reach(Session& session, const csdk_target& target, csdk_options options) {
    return {session, control_, settings_, target, plugin::Options(options).text("user").value_or("")};
  }
  template <class F>
  void onFiles(Call& call, const csdk_fs_args& args, F operation) {
    Session session(call);
    Envd envd = reach(session, args.target, {});
    operation(envd, args);
  }
  template <class F>
  void onProcess(Call& call, const csdk_process_args& args, F operation) {
    Session session(call);
    Envd envd = reach(session, args.target, {});
    operation(envd, args);
  }

  const Settings settings_;
  const vendor::Api control_;
};

}  // namespace computesdk::e2b

CSDK_PROVIDER(computesdk::e2b::E2b, "e2b", CSDK_E2B_VERSION)

// The Vercel provider: what the plug-in ABI asks for, by Vercel's protocol.
#include <computesdk/provider.hpp>

#include "common/named.hpp"
#include "common/orphan.hpp"
#include "vercel/control.hpp"
#include "vercel/files.hpp"
#include "vercel/processes.hpp"
#include "vercel/run.hpp"
#include "vercel/scripts.hpp"

namespace computesdk::vercel {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: nothing of it changes once it is made. A sandbox's id is its name; its token names the session in which
// it runs now.
class Vercel {
 public:
  static constexpr std::uint32_t kCreateFlags =
      CSDK_CREATE_NETWORK | CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_ADDED;

  explicit Vercel(const plugin::Options& config) : settings_(Settings::of(config)), control_(controlPlane(settings_)) {}

  void create(Call& call, const csdk_create_args& args) {
    const JsonValue body = createBody(settings_, args);
    Session session(call);
    createFrom(session, args, body);
  }

  void inspect(Call& call, const csdk_target_args& args) { emitAsked(call, args.target, false); }
  void attach(Call& call, const csdk_target_args& args) { emitAsked(call, args.target, true); }
  void resume(Call& call, const csdk_target_args& args) { emitAsked(call, args.target, true); }

  void pause(Call& call, const csdk_target_args& args) {
    Session session(call);
    const JsonDocument before = askAbout(session, control_, settings_, view(args.target.id));
    if (resultOf(before["sandbox"], before["session"]).status == CSDK_SANDBOX_RUNNING) {
      if (!before["sandbox"].booleanOr("persistent", true)) {
        throw Error(CSDK_FAILED_PRECONDITION, "this sandbox is not persistent: it would not come back")
            .fix("make sandboxes that shall be paused without persistent=false");
      }
      Machine machine(session, control_, settings_, Handle::of(before.root(), {}));
      vendor::Request request = machine.request("/stop");
      request.retry = vendor::Retry::idempotent;
      request.headTimeoutMs = 600000;  // its disk is kept
      const Answer answer = session.fetch(request);
      if (!answer.ok() && answer.status != 410) throw machine.failure(answer, true).error();
    }
    emitAsked(session, args.target, false);
  }

  void list(Call& call, const csdk_list_args& args) {
    Session session(call);
    // Vercel filters by one tag, whose key ends at the first colon.
    std::string_view key, value;
    for (const csdk_pair& pair : view(args.metadata)) {
      if (view(pair.key).find(':') != std::string_view::npos) continue;
      key = view(pair.key);
      value = view(pair.value);
      break;
    }
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    listSandboxes(session, control_, settings_, key, value, [&](Json sandbox) {
      const vendor::SandboxResult result = resultOf(sandbox);
      if (!vendor::carriesAll(result.metadata, args.metadata)) return true;
      result.emit(call);
      return --left > 0;
    });
  }

  void destroy(Call& call, const csdk_target_args& args) {
    Session session(call);
    destroySandbox(session, control_, settings_, view(args.target.id));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    std::optional<Handle> handle = Handle::of(args.target);
    std::optional<std::string> host = handle ? handle->host(args.port) : std::nullopt;
    if (!host) {
      handle = withPort(session, args, handle ? handle->directory : std::string());
      host = handle->host(args.port);
      call.token(handle->token());
    }
    if (!host) {
      throw Error(CSDK_UNAVAILABLE, "Vercel gave port " + std::to_string(args.port) + " no address")
          .errorClass(CSDK_ERROR_PROTOCOL);
    }
    const std::string_view protocol = args.protocol.size != 0 ? view(args.protocol) : "https";
    const std::string text = std::string(protocol) + "://" + *host;
    csdk_url result{};
    result.url = plugin::str(text);
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) {
    Session session(call);
    Machine machine(session, control_, settings_, args.target);
    runCommand(machine, args);
  }

  void fsRead(Call& call, const csdk_fs_args& args) { inside(call, args, readFile); }
  void fsWrite(Call& call, const csdk_fs_args& args) { inside(call, args, writeFile); }
  void fsList(Call& call, const csdk_fs_args& args) { inside(call, args, listFolder); }
  void fsStat(Call& call, const csdk_fs_args& args) { inside(call, args, statPath); }
  void fsMkdir(Call& call, const csdk_fs_args& args) { inside(call, args, makeFolder); }
  void fsRemove(Call& call, const csdk_fs_args& args) { inside(call, args, removePath); }
  void fsRename(Call& call, const csdk_fs_args& args) { inside(call, args, renamePath); }

  void processStart(Call& call, const csdk_process_start_args& args) {
    Session session(call);
    Machine machine(session, control_, settings_, args.exec->target);
    vercel::processStart(machine, args);
  }
  void processList(Call& call, const csdk_process_args& args) {
    Session session(call);
    Machine machine(session, control_, settings_, args.target);
    vercel::processList(machine);
  }
  void processAttach(Call& call, const csdk_process_args& args) { inside(call, args, vercel::processAttach); }
  void processWait(Call& call, const csdk_process_args& args) { inside(call, args, vercel::processWait); }
  void processWriteStdin(Call& call, const csdk_process_args& args) { inside(call, args, vercel::processWriteStdin); }
  void processSignal(Call& call, const csdk_process_args& args) { inside(call, args, vercel::processSignal); }

  void extend(Call& call, const csdk_extend_args& args) {
    Session session(call);
    const JsonDocument before = askAbout(session, control_, settings_, view(args.target.id));
    vendor::SandboxResult result = resultOf(before["sandbox"], before["session"]);
    Machine machine(session, control_, settings_, Handle::of(before.root(), {}));
    const plugin::Host& host = call.host();
    const std::int64_t wanted = host.table().now_wall_ms(host.self()) + args.duration_ms;
    if (result.status == CSDK_SANDBOX_RUNNING && result.expiresMs >= wanted) return result.emit(call);
    JsonValue body = JsonValue::object();  // what is to be added
    body.set("duration", std::max<std::int64_t>(wanted - result.expiresMs, kShortestMs));
    const Answer answer = session.fetch(machine.post("/extend-timeout", body));
    if (!answer.ok()) {
      vendor::Failure failure = machine.failure(answer, true);
      if (answer.status == 400) failure.is(CSDK_OUT_OF_RANGE).fix = "ask for less: Vercel's plans have a longest time";
      throw failure.error();
    }
    const JsonDocument after = control_.json(answer, "extend");
    resultOf(before["sandbox"], after["session"]).emit(call);
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    Machine machine(session, control_, settings_, args.target);
    createSnapshot(machine, args);
  }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    listSnapshots(session, control_, settings_, args);
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    removeSnapshot(session, control_, settings_, view(args.snapshot_id));
  }

  void namedFind(Call& call, const csdk_named_args& args) {
    Session session(call);
    if (!emitNamed(session, args, false)) throw Error(CSDK_NOT_FOUND, "Vercel has no sandbox of that name");
  }

  // Names are unique in a project: of those who create at once one succeeds, and the others find its sandbox.
  void namedFindOrCreate(Call& call, const csdk_named_args& args) {
    Session session(call);
    JsonValue body = createBody(settings_, *args.create);
    body.set("name", vendor::uniqueName(args.name_space, args.name));
    body.at("tags").set("name", view(args.name));
    for (int tries = 0; tries < kNameTries; ++tries) {
      if (emitNamed(session, args, true)) return;
      try {
        return createFrom(session, *args.create, body);
      } catch (const Error& error) {
        if (error.status() != CSDK_ALREADY_EXISTS) throw;
        session.pause(200);  // it is being made, or being destroyed
      }
    }
    throw Error(CSDK_ABORTED, "the name is being taken and given up again all the time").fix("try again");
  }

 private:
  static constexpr std::int64_t kShortestMs = 1000;
  static constexpr int kNameTries = 50;

  void createFrom(Session& session, const csdk_create_args& args, const JsonValue& body) {
    const std::string_view label = view(args.idempotency_key);
    vendor::createOrUndo(session, {[&](std::optional<std::string>& id) { make(session, args, body, id); },
                                   [&] { return findMade(session, label); },
                                   [&](const std::string& id) { destroySandbox(session, control_, settings_, id); }});
  }

  /// The sandbox of a name. False: there is none.
  bool emitNamed(Session& session, const csdk_named_args& args, bool wake) {
    const std::string name = vendor::uniqueName(args.name_space, args.name);
    try {
      emitAsked(session, csdk_target{plugin::str(name), {}}, wake);
      return true;
    } catch (const Error& error) {
      if (error.abi().error_class != CSDK_ERROR_GONE) throw;
      return false;
    }
  }

  /// Creates, and makes the working directory that was asked for.
  void make(Session& session, const csdk_create_args& args, const JsonValue& body, std::optional<std::string>& id) {
    vendor::Request request = control_.post(createPath(settings_, body), body);
    request.headTimeoutMs = 300000;  // a snapshot may have to be brought back
    const Answer answer = session.fetch(request);
    if (!answer.ok()) {
      vendor::Failure failure = control_.failure(session, answer, true);
      if (answer.status == 409) {
        failure.is(CSDK_ALREADY_EXISTS).fix = "choose another name, or get the sandbox that has it: its id is its name";
      }
      if (answer.status == 410) failure.is(CSDK_NOT_FOUND);
      throw failure.error();
    }
    const JsonDocument made = control_.json(answer, "create");
    id = made["sandbox"].text("name");
    const Handle handle = Handle::of(made.root(), view(args.working_directory));
    if (args.working_directory.size != 0) {
      Machine machine(session, control_, settings_, handle);
      const ScriptResult done = runScript(machine, "mkdir -p -- \"$1\"", {handle.directory});
      if (done.code != 0) {
        throw Error(CSDK_PERMISSION_DENIED, "the working directory cannot be made: " + vendor::oneLine(done.err, 300));
      }
    }
    session.call().throwIfCancelled();
    vendor::SandboxResult result = resultOf(made["sandbox"], made["session"]);
    result.token = handle.token();
    result.workingDirectory = handle.directory;
    if ((args.flags & CSDK_CREATE_NETWORK) != 0) result.network = args.network;
    result.emit(session.call());
  }

  std::vector<std::string> findMade(Session& session, std::string_view label) {
    std::vector<std::string> names;
    if (label.empty()) return names;
    listSandboxes(session, control_, settings_, kCreateLabel, label, [&](Json sandbox) {
      if (sandbox["tags"].textOr(kCreateLabel) == label) names.emplace_back(sandbox.text("name"));
      return true;
    });
    return names;
  }

  void emitAsked(Call& call, const csdk_target& target, bool wake) {
    Session session(call);
    emitAsked(session, target, wake);
  }
  void emitAsked(Session& session, const csdk_target& target, bool wake) {
    const JsonDocument asked = askAbout(session, control_, settings_, view(target.id), wake);
    const auto known = Handle::of(target);
    const Handle handle = Handle::of(asked.root(), known ? known->directory : std::string());
    vendor::SandboxResult result = resultOf(asked["sandbox"], asked["session"]);
    result.token = handle.token();
    result.workingDirectory = handle.directory;
    result.nativeJson = asked.root().write();
    result.emit(session.call());
  }

  /// The sandbox with a route for the port, which is added to those that there are now.
  Handle withPort(Session& session, const csdk_url_args& args, const std::string& directory) {
    const std::string_view name = view(args.target.id);
    const JsonDocument asked = askAbout(session, control_, settings_, name);
    Handle handle = Handle::of(asked.root(), directory);
    if (handle.host(args.port)) return handle;
    JsonValue ports = JsonValue::array();
    for (const auto& [port, subdomain] : handle.routes) ports.push(static_cast<std::int64_t>(port));
    ports.push(static_cast<std::int64_t>(args.port));
    JsonValue body = JsonValue::object();
    body.set("ports", std::move(ports));
    vendor::Request request = control_.withBody("PATCH", settings_.sandboxPath(name), body);
    request.retry = vendor::Retry::idempotent;
    const Answer answer = control_.send(session, request, {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, name);
    const JsonDocument changed = control_.json(answer, "update");
    if (changed["routes"].isArray()) {
      handle.takeRoutes(changed["routes"]);
    } else {
      handle.takeRoutes(askAbout(session, control_, settings_, name)["routes"]);
    }
    return handle;
  }

  template <class Args, class F>
  void inside(Call& call, const Args& args, F operation) {
    Session session(call);
    Machine machine(session, control_, settings_, args.target);
    operation(machine, args);
  }

  const Settings settings_;
  const vendor::Api control_;
};

}  // namespace computesdk::vercel

CSDK_PROVIDER(computesdk::vercel::Vercel, "vercel", CSDK_VERCEL_VERSION)

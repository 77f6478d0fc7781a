// The Daytona provider: what the plug-in ABI asks for, by Daytona's protocols.
#include <computesdk/provider.hpp>

#include "common/named.hpp"
#include "common/orphan.hpp"
#include "common/time.hpp"
#include "daytona/control.hpp"
#include "daytona/files.hpp"
#include "daytona/processes.hpp"
#include "daytona/run.hpp"

#include <array>

namespace computesdk::daytona {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: nothing of it changes once it is made.
class Daytona {
 public:
  static constexpr std::uint32_t kCreateFlags =
      CSDK_CREATE_NETWORK | CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kProcessFlags = CSDK_PROCESS_PTY;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit Daytona(const plugin::Options& config)
      : settings_(Settings::of(config)), control_(controlPlane(settings_)) {}

  void create(Call& call, const csdk_create_args& args) {
    Session session(call);
    createFrom(session, args, createBody(args, settings_));
  }

  void inspect(Call& call, const csdk_target_args& args) {
    Session session(call);
    resultOf(askAbout(session, control_, view(args.target.id)).root()).emit(call);
  }

  void attach(Call& call, const csdk_target_args& args) {
    Session session(call);
    resultOf(wake(session, control_, view(args.target.id)).root()).emit(call);
  }

  void resume(Call& call, const csdk_target_args& args) { attach(call, args); }

  // Only virtual machines can be paused. Of a container the files stay.
  void pause(Call& call, const csdk_target_args& args) {
    Session session(call);
    const std::string_view id = view(args.target.id);
    const JsonDocument before = askAbout(session, control_, id);
    if (before.root().textOr("state") == "started") {
      const Answer paused = post(session, control_, id, "pause", {400, 403, 404, 405, 409, 422, 501});
      if (!paused.ok()) post(session, control_, id, "stop", {400});
    }
    const JsonDocument after = untilNot(
        session, control_, id, [](std::string_view state) { return state == "stopping" || state == "pausing"; });
    const std::string_view state = after.root().textOr("state");
    if (state == "started" || state == "error") {
      throw Error(CSDK_UNAVAILABLE, "the sandbox could not be stopped: it is " + vendor::oneLine(state, 40));
    }
    resultOf(after.root()).emit(call);
  }

  void list(Call& call, const csdk_list_args& args) {
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
    Session session(call);
    destroySandbox(session, control_, view(args.target.id));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    const std::string path = "/sandbox/" + vendor::pathSegment(view(args.target.id)) + "/ports/" +
                             std::to_string(args.port) + "/preview-url";
    const Answer answer = control_.send(session, control_.get(path), {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    const JsonDocument preview = control_.json(answer, "a port's URL");
    std::string url = vendor::withoutTrailingSlash(preview.root().text("url"));
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) {
      throw Error(CSDK_UNAVAILABLE, "Daytona's answer to a port's URL is none").errorClass(CSDK_ERROR_PROTOCOL);
    }
    if (args.protocol.size != 0) url.replace(0, scheme, view(args.protocol));
    const vendor::Pairs headers = {{"x-daytona-preview-token", std::string(preview.root().textOr("token"))}};
    const std::vector<csdk_pair> lent = vendor::lend(headers);
    csdk_url result{};
    result.url = plugin::str(url);
    if (!headers.front().second.empty()) result.headers = {lent.data(), lent.size()};
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) { onToolbox(call, args.target, args, runCommand); }

  void fsRead(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, readFile); }
  void fsWrite(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, writeFile); }
  void fsList(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, listFolder); }
  void fsStat(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, statPath); }
  void fsMkdir(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, makeFolder); }
  void fsRemove(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, removePath); }
  void fsRename(Call& call, const csdk_fs_args& args) { onToolbox(call, args.target, args, renamePath); }

  void processStart(Call& call, const csdk_process_start_args& args) {
    onToolbox(call, args.exec->target, args, daytona::processStart);
  }
  void processList(Call& call, const csdk_process_args& args) {
    Session session(call);
    Toolbox toolbox(session, control_, settings_, args.target);
    daytona::processList(toolbox);
  }
  void processAttach(Call& call, const csdk_process_args& args) {
    onToolbox(call, args.target, args, daytona::processAttach);
  }
  void processWait(Call& call, const csdk_process_args& args) {
    onToolbox(call, args.target, args, daytona::processWait);
  }
  void processWriteStdin(Call& call, const csdk_process_args& args) {
    onToolbox(call, args.target, args, daytona::processWriteStdin);
  }
  void processSignal(Call& call, const csdk_process_args& args) {
    onToolbox(call, args.target, args, daytona::processSignal);
  }
  void processResize(Call& call, const csdk_process_args& args) {
    onToolbox(call, args.target, args, daytona::processResize);
  }

  // Both clocks of a sandbox are moved, never to an earlier end; one that it does not have is not set.
  void extend(Call& call, const csdk_extend_args& args) {
    Session session(call);
    const std::string_view id = view(args.target.id);
    const JsonDocument before = askAbout(session, control_, id);
    const plugin::Host& host = call.host();
    const std::string minutes = std::to_string(vendor::ceilMinutes(args.duration_ms));
    const std::int64_t wanted = host.table().now_wall_ms(host.self()) + args.duration_ms;
    const std::int64_t end = vendor::timeOr0(before.root().textOr("autoDestroyAt"));
    const std::int64_t idle = before.root().integerOr("autoStopInterval", 0);
    if (end != 0 && end < wanted) setInterval(session, id, "ttl/" + minutes);
    if (idle != 0 && idle < vendor::ceilMinutes(args.duration_ms)) setInterval(session, id, "autostop/" + minutes);
    post(session, control_, id, "last-activity");
    resultOf(askAbout(session, control_, id).root()).emit(call);
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    createSnapshot(session, control_, args);
  }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    listSnapshots(session, control_, view(args.target.id));
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    removeSnapshot(session, control_, view(args.snapshot_id));
  }
  void templateList(Call& call, const csdk_template_args&) {
    Session session(call);
    listTemplates(session, control_);
  }
  void templateInspect(Call& call, const csdk_template_args& args) {
    Session session(call);
    inspectTemplate(session, control_, view(args.template_id));
  }
  void templateRemove(Call& call, const csdk_template_args& args) {
    Session session(call);
    removeSnapshot(session, control_, view(args.template_id));
  }

  void namedFind(Call& call, const csdk_named_args& args) {
    Session session(call);
    const auto found = findNamed(session, args);
    if (!found) throw Error(CSDK_NOT_FOUND, "Daytona has no sandbox of that name");
    resultOfNamed(*found, args).emit(call);
  }

  // Names are unique at Daytona: of those who create at once one succeeds, and the others find its sandbox.
  void namedFindOrCreate(Call& call, const csdk_named_args& args) {
    Session session(call);
    JsonValue body = createBody(*args.create, settings_);
    body.set("name", vendor::uniqueName(args.name_space, args.name));
    body.at("labels").set(vendor::kNamespaceLabel, view(args.name_space)).set(vendor::kNameLabel, view(args.name));
    for (int tries = 0; tries < kNameTries; ++tries) {
      if (const auto found = findNamed(session, args)) {
        return resultOfNamed(wake(session, control_, found->root().text("id")), args).emit(call);
      }
      try {
        return createFrom(session, *args.create, body, &args);
      } catch (const Error& error) {
        if (error.status() != CSDK_ALREADY_EXISTS) throw;
        session.pause(200);  // it is being made, or being destroyed
      }
    }
    throw Error(CSDK_ABORTED, "the name is being taken and given up again all the time").fix("try again");
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    struct Operation {
      std::string_view name, method, verb;
    };
    static constexpr std::array<Operation, 6> kOperations = {{{"archive", "POST", "archive"},
                                                              {"recover", "POST", "recover"},
                                                              {"resize", "POST", "resize"},
                                                              {"fork", "POST", "fork"},
                                                              {"stop", "POST", "stop"},
                                                              {"labels", "PUT", "labels"}}};
    for (const Operation& one : kOperations) {
      if (one.name != view(args.operation) || args.target.id.size == 0) continue;
      Session session(call);
      const std::string path = "/sandbox/" + vendor::pathSegment(view(args.target.id)) + "/" + std::string(one.verb);
      const JsonValue body =
          args.json.size != 0 ? JsonValue::parse(view(args.json), "the call's JSON") : JsonValue::object();
      const Answer answer = control_.send(session, control_.withBody(one.method, path, body), {404});
      if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
      const JsonDocument told = control_.json(answer, one.name);
      return call.emitJson(nativeOf(told.root()));
    }
    throw Error(CSDK_UNIMPLEMENTED,
                "Daytona knows the calls 'archive', 'fork', 'labels', 'recover', 'resize' and 'stop' of a sandbox");
  }

 private:
  static constexpr int kNameTries = 50;
  static constexpr std::int64_t kStartMs = 60;  ///< no sandbox starts faster

  void createFrom(Session& session, const csdk_create_args& args, const JsonValue& body,
                  const csdk_named_args* named = nullptr) {
    const std::string_view label = view(args.idempotency_key);
    vendor::createOrUndo(session, {[&](std::optional<std::string>& id) { make(session, args, body, id, named); },
                                   [&] { return findMade(session, label); },
                                   [&](const std::string& id) { destroySandbox(session, control_, id); }});
  }

  /// Creates, waits, and makes the working directory that was asked for.
  void make(Session& session, const csdk_create_args& args, const JsonValue& body, std::optional<std::string>& id,
            const csdk_named_args* named) {
    const Answer answer = control_.send(session, control_.post("/sandbox", body));
    JsonDocument sandbox = control_.json(answer, "create");
    id = sandbox.root().text("id");
    if (sandbox.root().textOr("state") != "started") {
      resultOf(sandbox.root()).emit(session.call());
      session.pause(kStartMs);  // a look before would be for nothing
      sandbox = untilStarted(session, control_, *id);
    }
    vendor::SandboxResult result = named != nullptr ? resultOfNamed(sandbox, *named) : resultOf(sandbox.root());
    if (args.working_directory.size != 0) {
      Toolbox toolbox(session, control_, settings_, csdk_target{plugin::str(*id), plugin::bytes(result.token)});
      makeDirectory(toolbox, view(args.working_directory));
    }
    session.call().throwIfCancelled();
    if (args.image.size != 0) result.image = view(args.image);
    if ((args.flags & CSDK_CREATE_NETWORK) != 0) result.network = args.network;
    result.emit(session.call());
  }

  std::vector<std::string> findMade(Session& session, std::string_view label) {
    std::vector<std::string> ids;
    if (label.empty()) return ids;
    const csdk_pair wanted{plugin::str(kCreateLabel), plugin::str(label)};
    listSandboxes(session, control_, {&wanted, 1}, [&](Json sandbox) {
      if (sandbox["labels"].textOr(kCreateLabel) == label) ids.emplace_back(sandbox.text("id"));
      return true;
    });
    return ids;
  }

  void setInterval(Session& session, std::string_view id, const std::string& verb) {
    const Answer answer = post(session, control_, id, verb, {400});
    if (answer.ok()) return;
    vendor::Failure failure = control_.failure(session, answer, false);
    if (failure.errorClass == CSDK_ERROR_PLAIN) failure.is(CSDK_OUT_OF_RANGE).fix = "ask for less";
    throw failure.error();
  }

  std::optional<JsonDocument> findNamed(Session& session, const csdk_named_args& args) {
    auto found = lookFor(session, control_, vendor::uniqueName(args.name_space, args.name));
    if (!found) return {};
    const Json labels = found->root()["labels"];
    if (labels.textOr(vendor::kNamespaceLabel) == view(args.name_space) &&
        labels.textOr(vendor::kNameLabel) == view(args.name)) {
      return found;
    }
    throw Error(CSDK_ALREADY_EXISTS, "the name belongs to a sandbox that was not made by it").fix("use another name");
  }

  static vendor::SandboxResult resultOfNamed(const JsonDocument& sandbox, const csdk_named_args& args) {
    vendor::SandboxResult result = resultOf(sandbox.root());
    result.name = view(args.name);
    return result;
  }

  template <class Args, class F>
  void onToolbox(Call& call, const csdk_target& target, const Args& args, F operation) {
    Session session(call);
    Toolbox toolbox(session, control_, settings_, target);
    operation(toolbox, args);
  }

  const Settings settings_;
  const vendor::Api control_;
};

}  // namespace computesdk::daytona

CSDK_PROVIDER(computesdk::daytona::Daytona, "daytona", CSDK_DAYTONA_VERSION)

// The Blaxel provider: what the plug-in ABI asks for, by Blaxel's protocols.
#include <computesdk/provider.hpp>

#include "blaxel/control.hpp"
#include "blaxel/files.hpp"
#include "blaxel/processes.hpp"
#include "blaxel/run.hpp"
#include "blaxel/snapshots.hpp"
#include "common/named.hpp"
#include "common/orphan.hpp"
#include "common/text.hpp"

namespace computesdk::blaxel {

using plugin::Call;
using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Session;

// Thread-safe: but for the token in access_, which has a lock, nothing of it changes once it is made.
class Blaxel {
 public:
  static constexpr std::uint32_t kCreateFlags = CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit Blaxel(const plugin::Options& config) : settings_(Settings::of(config)), access_(settings_) {}

  void create(Call& call, const csdk_create_args& args) {
    std::string name;
    const JsonValue body = createBody(args, settings_, name);
    Session session(call);
    createFrom(session, args, body, name);
  }

  void inspect(Call& call, const csdk_target_args& args) {
    Session session(call);
    emitAsked(session, args.target);
  }

  /// Nothing has to be done: a sandbox that stands by wakes with the next request.
  void attach(Call& call, const csdk_target_args& args) {
    Session session(call);
    emitAsked(session, args.target);
  }

  void list(Call& call, const csdk_list_args& args) {
    Session session(call);
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    listPages(session, access_.control(session), "/sandboxes", "sandboxes", [&](Json sandbox) {
      vendor::SandboxResult result = resultOf(sandbox, wallMs(call));
      // What is being deleted is not there any more, and labels are compared here: Blaxel's list has no filter.
      if (result.status == CSDK_SANDBOX_STOPPED || !vendor::carriesAll(result.metadata, args.metadata)) return true;
      result.token = Place::of(settings_, sandbox).token();
      result.emit(call);
      return --left > 0;
    });
  }

  void destroy(Call& call, const csdk_target_args& args) {
    Session session(call);
    destroySandbox(session, access_.control(session), view(args.target.id));
  }

  void url(Call& call, const csdk_url_args& args) {
    Session session(call);
    std::string address = portUrl(session, access_.control(session), view(args.target.id), args.port);
    if (args.protocol.size != 0) {
      const std::size_t scheme = address.find("://");
      address.replace(0, scheme == std::string::npos ? 0 : scheme, view(args.protocol));
    }
    csdk_url result{};
    result.url = plugin::str(address);
    call.emit(result);
  }

  void extend(Call& call, const csdk_extend_args& args) {
    Session session(call);
    extendSandbox(session, access_.control(session), args);
  }

  void exec(Call& call, const csdk_exec_args& args) { onBox(call, args.target, args, runCommand); }
  void fsRead(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, readFile); }
  void fsWrite(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, writeFile); }
  void fsList(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, listFolder); }
  void fsStat(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, statPath); }
  void fsMkdir(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, makeFolder); }
  void fsRemove(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, removePath); }
  void fsRename(Call& call, const csdk_fs_args& args) { onBox(call, args.target, args, renamePath); }

  void processStart(Call& call, const csdk_process_start_args& args) {
    onBox(call, args.exec->target, args, blaxel::processStart);
  }
  void processList(Call& call, const csdk_process_args& args) {
    onBox(call, args.target, args, [](Box& box, const csdk_process_args&) { blaxel::processList(box); });
  }
  void processAttach(Call& call, const csdk_process_args& args) {
    onBox(call, args.target, args, blaxel::processAttach);
  }
  void processWait(Call& call, const csdk_process_args& args) { onBox(call, args.target, args, blaxel::processWait); }
  void processWriteStdin(Call& call, const csdk_process_args& args) {
    onBox(call, args.target, args, blaxel::processWriteStdin);
  }
  void processSignal(Call& call, const csdk_process_args& args) {
    onBox(call, args.target, args, blaxel::processSignal);
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    createSnapshot(session, access_.control(session), args);
  }
  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    listSnapshots(session, access_.control(session), view(args.target.id));
  }
  void snapshotRemove(Call& call, const csdk_snapshot_args& args) {
    Session session(call);
    removeSnapshot(session, access_.control(session), view(args.snapshot_id));
  }

  void namedFind(Call& call, const csdk_named_args& args) {
    Session session(call);
    const vendor::Api control = access_.control(session);
    if (!emitNamed(session, control, args)) throw Error(CSDK_NOT_FOUND, "Blaxel has no sandbox of that name");
  }

  // Names are unique at Blaxel: of those who create at once one succeeds, and the others find its sandbox.
  void namedFindOrCreate(Call& call, const csdk_named_args& args) {
    Session session(call);
    const vendor::Api control = access_.control(session);
    std::string given;
    JsonValue body = createBody(*args.create, settings_, given);
    const std::string name = vendor::uniqueName(args.name_space, args.name);
    body.at("metadata").set("name", name);
    body.at("metadata")
        .at("labels")
        .set(vendor::kNamespaceLabel, view(args.name_space))
        .set(vendor::kNameLabel, view(args.name));
    for (int tries = 0; tries < kNameTries; ++tries) {
      if (emitNamed(session, control, args)) return;
      try {
        return createFrom(session, *args.create, body, name, view(args.name));
      } catch (const Error& error) {
        if (error.status() != CSDK_ALREADY_EXISTS) throw;
        session.pause(200);  // it is being made, or being destroyed
      }
    }
    throw Error(CSDK_ABORTED, "the name is being taken and given up again all the time").fix("try again");
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    const std::string_view operation = view(args.operation);
    const bool known = operation == "fork" || operation == "restore";
    if (!known || args.target.id.size == 0) {
      throw Error(CSDK_UNIMPLEMENTED, "Blaxel knows the calls 'fork' and 'restore' of a sandbox");
    }
    Session session(call);
    const vendor::Api control = access_.control(session);
    JsonValue body = args.json.size != 0 ? JsonValue::parse(view(args.json), "the call's JSON") : JsonValue::object();
    std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id));
    if (operation == "restore") {
      const JsonDocument given = JsonDocument::parse(body.write(), "the call's JSON");
      const std::string snapshot(given.root().textOr("snapshotId"));
      if (snapshot.empty()) throw Error(CSDK_INVALID_ARGUMENT, "'restore' takes {\"snapshotId\": \"…\"}");
      path += "/snapshots/" + vendor::pathSegment(snapshot) + "/restore";
      body = JsonValue::object();
    } else {
      path += "/fork";
      if (body.find("targetType") == nullptr) body.set("targetType", "sandbox");
    }
    vendor::Request request = control.post(path, body);
    request.headTimeoutMs = 300000;
    const Answer answer = control.send(session, request, {404});
    if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
    const JsonDocument told = control.json(answer, operation);
    JsonValue native = JsonValue::of(told.root());
    if (told.root()["spec"]["runtime"]) native.at("spec").at("runtime").erase("envs");  // they may be secret
    call.emitJson(native.write());
  }

 private:
  /// Between looks at a sandbox that is being made.
  static constexpr std::int64_t kLookMs = 500;
  /// Looks at one that Blaxel does not know yet, after its edge gave up waiting for it.
  static constexpr int kUnknownLooks = 6;
  static constexpr int kNameTries = 50;

  /// `shown`: the name that the caller knows it by; empty: what its label says.
  void createFrom(Session& session, const csdk_create_args& args, const JsonValue& body, const std::string& name,
                  std::string_view shown = {}) {
    const vendor::Api control = access_.control(session);
    vendor::createOrUndo(session,
                         {[&](std::optional<std::string>& id) { make(session, control, args, body, name, shown, id); },
                          [&] { return findMade(session, control, name, args, shown.empty()); },
                          [&](const std::string& id) { destroySandbox(session, control, id); }});
  }

  /// The sandbox of a name, once it runs. False: there is none.
  bool emitNamed(Session& session, const vendor::Api& control, const csdk_named_args& args) {
    const std::string name = vendor::uniqueName(args.name_space, args.name);
    for (int looks = 0;; ++looks) {
      const Answer answer = control.send(session, control.get("/sandboxes/" + vendor::pathSegment(name)), {404});
      if (answer.status == 404) return false;
      const JsonDocument found = control.json(answer, "inspect");
      vendor::SandboxResult result = resultOf(found.root(), wallMs(session.call()));
      if (result.status == CSDK_SANDBOX_STOPPED) return false;
      const Json labels = found["metadata"]["labels"];
      const bool its = labels.textOr(vendor::kNamespaceLabel) == view(args.name_space) &&
                       labels.textOr(vendor::kNameLabel) == view(args.name);
      const bool unlabelled = !labels[vendor::kNameLabel];  // a fork, before its update
      if (!its && (!unlabelled || looks >= kUnknownLooks)) {
        throw Error(CSDK_ALREADY_EXISTS, "the name belongs to a sandbox that was not made by it")
            .fix("use another name");
      }
      if (its && result.status != CSDK_SANDBOX_STARTING) {
        result.name = view(args.name);
        result.token = Place::of(settings_, found.root()).token();
        result.emit(session.call());
        return true;
      }
      session.pause(kLookMs);
    }
  }

  JsonDocument ordered(Session& session, const vendor::Api& control, const JsonValue& body, const std::string& name) {
    vendor::Request request = control.post("/sandboxes", body);
    request.headTimeoutMs = 300000;
    Answer answer = control.send(session, request, {504});
    // The edge gave up waiting; the sandbox is still being made.
    for (int looks = 0; answer.status == 504; ++looks) {
      session.pause(kLookMs);
      Answer look = control.send(session, control.get("/sandboxes/" + vendor::pathSegment(name)), {404});
      if (look.ok()) answer = std::move(look);
      if (!answer.ok() && looks >= kUnknownLooks) throw control.failure(session, answer, true).error();
    }
    return control.json(answer, "create");
  }

  /// Creates, waits until it runs, and makes the working directory that was asked for.
  void make(Session& session, const vendor::Api& control, const csdk_create_args& args, const JsonValue& body,
            const std::string& name, std::string_view shown, std::optional<std::string>& id) {
    JsonDocument made = args.snapshot_id.size != 0 ? forkSnapshot(session, control, args, body, name, id)
                                                   : ordered(session, control, body, name);
    if (made["metadata"].textOr("name") != name) {
      throw Error(CSDK_UNAVAILABLE, "Blaxel's answer to create is about another sandbox")
          .errorClass(CSDK_ERROR_PROTOCOL);
    }
    id = name;
    while (resultOf(made.root(), 0).status == CSDK_SANDBOX_STARTING) {
      session.pause(kLookMs);
      made = askAbout(session, control, name);
    }
    vendor::SandboxResult result = resultOf(made.root(), wallMs(session.call()));
    if (result.status == CSDK_SANDBOX_ERROR) {
      throw Error(CSDK_UNAVAILABLE, "Blaxel could not start the sandbox").fix("look at the image that it is made of");
    }
    const Place place = Place::of(settings_, made.root(), std::string(view(args.working_directory)));
    if (!place.directory.empty()) {
      Box box(session, access_, settings_, name, place);
      JsonValue folder = JsonValue::object();
      folder.set("isDirectory", true).set("permissions", "0755");
      vendor::Request put = box.api().withBody("PUT", "/filesystem/" + vendor::percentEncode(place.directory), folder);
      put.retry = vendor::Retry::idempotent;
      box.send(put);
    }
    session.call().throwIfCancelled();
    result.token = place.token();
    result.workingDirectory = place.directory;
    if (!shown.empty()) result.name = shown;
    result.emit(session.call());
  }

  /// By its name, which was ours to choose; the label tells it from one that somebody else gave this name. A fork gets
  /// its labels later: one without any is ours if its name was made up for it (`alone`: nobody else makes that up).
  static std::vector<std::string> findMade(Session& session, const vendor::Api& control, const std::string& name,
                                           const csdk_create_args& args, bool alone) {
    const std::string_view label = view(args.idempotency_key);
    const Answer answer = control.send(session, control.get("/sandboxes/" + vendor::pathSegment(name)), {404});
    if (answer.status == 404) return {};
    const JsonDocument found = control.json(answer, "inspect");
    const std::string_view its = found["metadata"]["labels"].textOr(kCreateLabel);
    const bool madeUp = alone && !plugin::Options(args.options).text("name").has_value();
    const bool ownFork = args.snapshot_id.size != 0 && madeUp && its.empty();
    if (ownFork || (!label.empty() && its == label)) return {name};
    return {};
  }

  void emitAsked(Session& session, const csdk_target& target) {
    const JsonDocument asked = askAbout(session, access_.control(session), view(target.id));
    const Place before = Place::of(target).value_or(Place{});
    vendor::SandboxResult result = resultOf(asked.root(), wallMs(session.call()));
    result.token = Place::of(settings_, asked.root(), before.directory).token();
    result.workingDirectory = before.directory;
    JsonValue native = JsonValue::of(asked.root());
    native.at("spec").at("runtime").erase("envs");  // they may be secret
    result.nativeJson = native.write();
    result.emit(session.call());
  }

  template <class Args, class F>
  void onBox(Call& call, const csdk_target& target, const Args& args, F operation) {
    Session session(call);
    Box box(session, access_, settings_, target);
    operation(box, args);
  }

  const Settings settings_;
  Access access_;
};

}  // namespace computesdk::blaxel

CSDK_PROVIDER(computesdk::blaxel::Blaxel, "blaxel", CSDK_BLAXEL_VERSION)

#include "call.hpp"
#include "host_context.hpp"
#include "net/http_extension.hpp"
#include "timer.hpp"

#include <rapidjson/reader.h>

#include <string>

// The functions of csdk_host: each finds its call, reads the plug-in's struct once, and hands it on.
namespace computesdk::registry::host {
namespace {

void hostLog(const csdk_host* host, csdk_call, std::uint32_t level, csdk_str message) {
  contextOf(host).log(level, view(message));
}

std::int64_t hostNowMono(const csdk_host*) { return monotonicNs(); }
std::int64_t hostNowWall(const csdk_host* host) { return contextOf(host).wallMs(); }

std::int64_t hostDeadline(const csdk_host* host, csdk_call call) {
  CallPin pin(call, &contextOf(host));
  return pin ? pin->deadlineNs() : 0;
}

std::int32_t hostIsCancelled(const csdk_host* host, csdk_call call) {
  CallPin pin(call, &contextOf(host));
  return !pin || pin->cancelled() ? 1 : 0;
}

csdk_status hostOnCancel(const csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx) {
  CallPin pin(call, &contextOf(host));
  if (!pin) return CSDK_CANCELLED;
  return pin->onCancel(fn, ctx);
}

csdk_status hostOnResume(const csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx) {
  CallPin pin(call, &contextOf(host));
  if (!pin) return CSDK_CANCELLED;
  return pin->onResume(fn, ctx);
}

csdk_status hostComplete(const csdk_host* host, csdk_call call, csdk_status status) {
  HostContext& context = contextOf(host);
  {
    CallPin pin(call, &context);
    if (pin && pin->claim(status > 0 ? CSDK_INTERNAL : status)) {
      pin->settle();
      return CSDK_OK;
    }
  }
  if (CallSlot* slot = CallTable::instance().find(call)) slot->endLate(call);
  return context.stale("complete", call);
}

csdk_status hostFail(const csdk_host* host, csdk_call call, const csdk_error* error) {
  CallPin pin(call, &contextOf(host));
  if (!pin) return contextOf(host).stale("fail", call);
  return pin->fail(readStruct(error));
}

template <typename T>
csdk_status emit(const csdk_host* host, csdk_call call, ResultKind kind, const T* value, const char* function) {
  CallPin pin(call, &contextOf(host));
  if (!pin) return contextOf(host).stale(function, call);
  if (value == nullptr) return CSDK_INVALID_ARGUMENT;
  const T ours = readStruct(value);
  return pin->push(kind, &ours, payloadSize(resultStruct(kind), &ours));
}

csdk_status hostProgress(const csdk_host* host, csdk_call call, const csdk_progress* progress) {
  return emit(host, call, ResultKind::progress, progress, "progress");
}

csdk_status refused(const csdk_host* host, const std::string& what) {
  contextOf(host).misbehaved(what);
  return CSDK_INVALID_ARGUMENT;
}

csdk_status hostEmitToken(const csdk_host* host, csdk_call call, csdk_bytes token) {
  if (token.size > CSDK_TOKEN_MAX) {
    return refused(host, "emit_token with a token of " + std::to_string(token.size) + " bytes");
  }
  const TokenResult value{sizeof value, 0, token};
  return emit(host, call, ResultKind::token, &value, "emit_token");
}

csdk_status hostEmitSandbox(const csdk_host* host, csdk_call call, const csdk_sandbox_info* info) {
  const csdk_sandbox_info ours = readStruct(info);
  if (ours.id.data == nullptr || ours.id.size == 0 || ours.id.size > CSDK_ID_MAX) {
    return refused(host, "emit_sandbox with an id of " + std::to_string(ours.id.data ? ours.id.size : 0) + " bytes");
  }
  if (ours.token.size > CSDK_TOKEN_MAX) {
    return refused(host, "emit_sandbox with a token of " + std::to_string(ours.token.size) + " bytes");
  }
  return emit(host, call, ResultKind::sandbox, &ours, "emit_sandbox");
}

csdk_status hostEmitEntry(const csdk_host* host, csdk_call call, const csdk_entry* entry) {
  return emit(host, call, ResultKind::entry, entry, "emit_entry");
}
csdk_status hostEmitUrl(const csdk_host* host, csdk_call call, const csdk_url* url) {
  return emit(host, call, ResultKind::url, url, "emit_url");
}
csdk_status hostEmitProcess(const csdk_host* host, csdk_call call, const csdk_process* process) {
  return emit(host, call, ResultKind::process, process, "emit_process");
}
csdk_status hostEmitSnapshot(const csdk_host* host, csdk_call call, const csdk_snapshot* snapshot) {
  return emit(host, call, ResultKind::snapshot, snapshot, "emit_snapshot");
}
csdk_status hostEmitTemplate(const csdk_host* host, csdk_call call, const csdk_template* item) {
  return emit(host, call, ResultKind::item, item, "emit_template");
}

/// One JSON value of any size, at most 64 levels deep. Iterative, so depth costs no stack.
bool isJson(std::string_view text) {
  struct Handler : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Handler> {
    int depth = 0;
    bool StartObject() { return ++depth <= 64; }
    bool StartArray() { return ++depth <= 64; }
    bool EndObject(rapidjson::SizeType) { return --depth >= 0; }
    bool EndArray(rapidjson::SizeType) { return --depth >= 0; }
  } handler;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  return !reader.Parse<kFlags>(stream, handler).IsError();
}

csdk_status hostEmitJson(const csdk_host* host, csdk_call call, csdk_str json) {
  if (!isJson(view(json))) return refused(host, "emit_json with what is no JSON value");
  const JsonResult value{sizeof value, 0, json};
  return emit(host, call, ResultKind::json, &value, "emit_json");
}

csdk_status hostWrite(const csdk_host* host, csdk_call call, std::uint32_t stream, csdk_bytes data) {
  CallPin pin(call, &contextOf(host));
  if (!pin) return contextOf(host).stale("write", call);
  if (stream < CSDK_STREAM_STDOUT || stream > CSDK_STREAM_END) return CSDK_INVALID_ARGUMENT;
  return pin->write(stream, data);
}

/// Whether the header's rules hold for it; what is outside of them is an outcome that nobody knows.
bool isExit(const csdk_exit& exit) {
  switch (exit.kind) {
    case CSDK_EXIT_CODE: return exit.value >= 0 && exit.value <= 255;
    case CSDK_EXIT_SIGNAL: return exit.value >= 1 && exit.value <= 64;
    default: return exit.kind == CSDK_EXIT_TIMEOUT || exit.kind == CSDK_EXIT_UNKNOWN;
  }
}

csdk_status hostExit(const csdk_host* host, csdk_call call, const csdk_exit* exit) {
  csdk_exit ours{};
  if (exit != nullptr && !isExit(ours = readStruct(exit))) {
    contextOf(host).misbehaved("exit of kind " + std::to_string(ours.kind) + " with value " +
                               std::to_string(ours.value));
    ours.kind = CSDK_EXIT_UNKNOWN;
    ours.value = 0;
    exit = &ours;
  }
  return emit(host, call, ResultKind::exit, exit, "exit");
}

const void* hostExtension(const csdk_host* host, csdk_str id) {
  if (view(id) == CSDK_EXT_TIMER) return &kTimerExtension;
  return view(id) == CSDK_EXT_HTTP && contextOf(host).hasHttp() ? &net::kHttpExtension : nullptr;
}

}  // namespace

csdk_host hostFunctions() noexcept {
  csdk_host host{};
  host.struct_size = sizeof host;
  host.abi_minor = CSDK_ABI_MINOR;
  host.log = &hostLog;
  host.now_mono_ns = &hostNowMono;
  host.now_wall_ms = &hostNowWall;
  host.deadline_ns = &hostDeadline;
  host.is_cancelled = &hostIsCancelled;
  host.on_cancel = &hostOnCancel;
  host.on_resume = &hostOnResume;
  host.complete = &hostComplete;
  host.fail = &hostFail;
  host.progress = &hostProgress;
  host.emit_token = &hostEmitToken;
  host.emit_sandbox = &hostEmitSandbox;
  host.emit_entry = &hostEmitEntry;
  host.emit_url = &hostEmitUrl;
  host.emit_process = &hostEmitProcess;
  host.emit_snapshot = &hostEmitSnapshot;
  host.emit_template = &hostEmitTemplate;
  host.emit_json = &hostEmitJson;
  host.write = &hostWrite;
  host.exit = &hostExit;
  host.extension = &hostExtension;
  return host;
}

}  // namespace computesdk::registry::host

#include "fake.hpp"

namespace {

void emitProcess(csdk_provider* p, csdk_call call, std::string_view id, std::string_view tag) {
  csdk_process process{};
  process.struct_size = sizeof process;
  process.id = str(id);
  process.tag = str(tag);
  process.state = CSDK_PROCESS_RUNNING;
  process.pid = 42;
  p->host->emit_process(p->host, call, &process);
}

csdk_status start(csdk_provider* p, csdk_call call, const csdk_process_start_args* args) {
  emitProcess(p, call, view(args->exec->argv.items[0]), view(args->tag));
  return CSDK_OK;
}
csdk_status list(csdk_provider* p, csdk_call call, const csdk_process_args*) {
  emitProcess(p, call, "p1", "");
  emitProcess(p, call, "p2", "");
  return CSDK_OK;
}
csdk_status attach(csdk_provider* p, csdk_call call, const csdk_process_args* args) {
  put(p, call, "from " + std::to_string(args->offset));
  return exitWith(p, call, 0);
}
csdk_status wait(csdk_provider* p, csdk_call call, const csdk_process_args*) { return exitWith(p, call, 9); }
csdk_status writeStdin(csdk_provider* p, csdk_call call, const csdk_process_args* args) {
  return view(args->input) == "in" && args->flags == CSDK_PROCESS_EOF ? CSDK_OK
                                                                      : failWith(p, call, CSDK_INTERNAL, "wrong");
}
csdk_status signal(csdk_provider* p, csdk_call call, const csdk_process_args* args) {
  return args->signal == 15 && args->flags == CSDK_PROCESS_GROUP ? CSDK_OK : failWith(p, call, CSDK_INTERNAL, "wrong");
}

csdk_status dial(csdk_provider* p, csdk_call call, const csdk_dial_args* args) {
  put(p, call, "", CSDK_STREAM_DATA);
  uint8_t buffer[4096];
  size_t size = 0;
  csdk_status status;
  while ((status = args->source->read(args->source, buffer, sizeof buffer, &size)) == CSDK_OK || status == CSDK_AGAIN) {
    if (status == CSDK_OK) put(p, call, {reinterpret_cast<char*>(buffer), size}, CSDK_STREAM_DATA);
  }
  put(p, call, "", CSDK_STREAM_END);
  return status == CSDK_EOF ? CSDK_OK : status;
}

csdk_status snapshotCreate(csdk_provider* p, csdk_call call, const csdk_snapshot_args* args) {
  csdk_snapshot snapshot{};
  snapshot.struct_size = sizeof snapshot;
  snapshot.id = str("snap");
  snapshot.name = args->name;
  snapshot.sandbox_id = args->target.id;
  p->host->emit_snapshot(p->host, call, &snapshot);
  return CSDK_OK;
}
csdk_status snapshotRemove(csdk_provider*, csdk_call, const csdk_snapshot_args*) { return CSDK_OK; }

csdk_status templateList(csdk_provider* p, csdk_call call, const csdk_template_args*) {
  csdk_template item{};
  item.struct_size = sizeof item;
  item.id = str("tpl");
  item.state = CSDK_SANDBOX_RUNNING;
  p->host->emit_template(p->host, call, &item);
  return CSDK_OK;
}

csdk_status namedFind(csdk_provider* p, csdk_call call, const csdk_named_args* args) {
  if (view(args->name) == "absent") return failWith(p, call, CSDK_NOT_FOUND, "nobody of that name");
  emitSandbox(p, call, "named", CSDK_SANDBOX_RUNNING);
  return CSDK_OK;
}
csdk_status namedFindOrCreate(csdk_provider* p, csdk_call call, const csdk_named_args* args) {
  emitSandbox(p, call, "made-" + std::string(view(args->create->image)), CSDK_SANDBOX_RUNNING);
  return CSDK_OK;
}

csdk_status extend(csdk_provider* p, csdk_call call, const csdk_extend_args* args) {
  emitSandbox(p, call, view(args->target.id), CSDK_SANDBOX_RUNNING);
  return CSDK_OK;
}

csdk_status vendorCall(csdk_provider* p, csdk_call call, const csdk_vendor_call_args* args) {
  if (view(args->operation) == "not-json") {
    const csdk_status status = p->host->emit_json(p->host, call, str("{nonsense"));
    return status == CSDK_INVALID_ARGUMENT ? failWith(p, call, CSDK_DATA_LOSS, "the host took no nonsense") : CSDK_OK;
  }
  p->host->emit_json(p->host, call, args->json);
  return CSDK_OK;
}

const csdk_process_ext kProcess = {sizeof kProcess, 0, &start, &list, &attach, &wait, &writeStdin, &signal, nullptr};
const csdk_port_ext kPort = {sizeof kPort, 0, &dial};
const csdk_snapshot_ext kSnapshot = {sizeof kSnapshot, 0, &snapshotCreate, &snapshotCreate, &snapshotRemove};
const csdk_template_ext kTemplate = {sizeof kTemplate, 0, &templateList, nullptr, nullptr, nullptr};
const csdk_named_ext kNamed = {sizeof kNamed, 0, &namedFind, &namedFindOrCreate};
// Ends before pause and resume, as an older plug-in's would.
const csdk_lifetime_ext kLifetime = {
    offsetof(csdk_lifetime_ext, pause), 0, CSDK_EXTEND_FROM_NOW, 0, &extend, nullptr, nullptr};
const csdk_vendor_call_ext kVendorCall = {sizeof kVendorCall, 0, &vendorCall};

}  // namespace

const void* fakeExtension(csdk_str id) {
  const std::string_view name = view(id);
  if (name == CSDK_EXT_PROCESS) return &kProcess;
  if (name == CSDK_EXT_PORT) return &kPort;
  if (name == CSDK_EXT_SNAPSHOT) return &kSnapshot;
  if (name == CSDK_EXT_TEMPLATE) return &kTemplate;
  if (name == CSDK_EXT_NAMED) return &kNamed;
  if (name == CSDK_EXT_LIFETIME) return &kLifetime;
  if (name == CSDK_EXT_VENDOR_CALL) return &kVendorCall;
  return nullptr;
}

// The fake plug-in of the tests. Built into several libraries: FAKE_… defines make one that is broken at load; what
// goes wrong later is asked for by the command given to exec.
#include "fake.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <stdexcept>

namespace {

std::mutex filesMutex;
std::map<std::string, std::string> files;

#if defined(FAKE_THROWS_AT_LOAD)
struct Thrower {
  Thrower() { throw std::runtime_error("thrown while loading"); }
} thrower;
#elif defined(FAKE_CRASHES_AT_LOAD)
struct Crasher {
  Crasher() { std::abort(); }
} crasher;
#elif defined(FAKE_UNDEFINED)
extern "C" void registry_fake_is_nowhere();
[[gnu::used]] void (*const needed)() = &registry_fake_is_nowhere;
#endif

csdk_status open(const csdk_host* host, csdk_call call, const csdk_open_args* args, csdk_provider** out) {
  std::string key;
  for (size_t i = 0; i < args->config.count; ++i) {
    const csdk_option& option = args->config.items[i];
    if (view(option.key) == "api_key") key = std::string(view(option.s));
  }
  auto* provider = new csdk_provider{host, key};
  if (key == "refuse-me") {
    const std::string why = "the key " + key + " is not liked";
    csdk_error error{};
    error.struct_size = sizeof error;
    error.error_class = CSDK_ERROR_CREDENTIAL_FORMAT;
    error.http_status = 401;
    error.retry_after_ms = 1500;
    error.message = str(why);
    error.vendor_code = str("bad_key");
    error.raw = str(R"({"error":"bad_key"})");
    error.request_id = str("req-1");
    host->fail(host, call, &error);
    delete provider;
    return CSDK_UNAUTHENTICATED;
  }
  *out = provider;
  return CSDK_OK;
}

void close(csdk_provider* provider) {
  if (!provider->closeNote.empty()) {
    if (std::FILE* note = std::fopen(provider->closeNote.c_str(), "we")) std::fclose(note);
  }
  delete provider;
}

csdk_status create(csdk_provider* p, csdk_call call, const csdk_create_args* args) {
  if (view(args->name) == "no-id") {
    const csdk_status status = emitSandbox(p, call, "", CSDK_SANDBOX_RUNNING);
    return status < 0 ? status : CSDK_OK;
  }
  if (view(args->name) == "begun-only") {
    emitSandbox(p, call, "half", CSDK_SANDBOX_STARTING);
    return failWith(p, call, CSDK_UNAVAILABLE, "it broke half-way", CSDK_ERROR_PLAIN, CSDK_ERROR_MAYBE_APPLIED);
  }
  if (view(args->name) == "network") {
    return failWith(p, call, CSDK_UNIMPLEMENTED, "the network cannot be switched off");
  }
  csdk_progress progress{};
  progress.struct_size = sizeof progress;
  progress.phase = str("boot");
  progress.done = 1;
  progress.total = 2;
  p->host->progress(p->host, call, &progress);
  emitSandbox(p, call, "sb-1", CSDK_SANDBOX_STARTING);
  std::string id = "sb-" + std::string(view(args->name));
  if (args->env.count != 0) id += "-" + std::string(view(args->env.items[0].value));
  if (args->options.count != 0) id += "-" + std::to_string(args->options.items[0].i);
  for (size_t i = 0; i < args->ports.count; ++i) id += ":" + std::to_string(args->ports.items[i]);
  emitSandbox(p, call, id, CSDK_SANDBOX_RUNNING, "");
  return CSDK_OK;
}

csdk_status inspect(csdk_provider* p, csdk_call call, const csdk_target_args* args) {
  if (view(args->target.id) == "gone") return failWith(p, call, CSDK_NOT_FOUND, "no such sandbox", CSDK_ERROR_GONE);
  if (view(args->target.id) == "leak") {
    return failWith(p, call, CSDK_INTERNAL, "token " + std::string(view(args->target.token)) + " key " + p->apiKey);
  }
  p->host->emit_token(p->host, call, bytes("a-newer-token"));
  emitSandbox(p, call, view(args->target.id), CSDK_SANDBOX_RUNNING);
  return CSDK_OK;
}

csdk_status list(csdk_provider* p, csdk_call call, const csdk_list_args*) {
  for (int i = 0; i < 5; ++i) {
    if (emitSandbox(p, call, "sb-" + std::to_string(i), CSDK_SANDBOX_RUNNING) == CSDK_CANCELLED) return CSDK_CANCELLED;
  }
  return CSDK_OK;
}

csdk_status destroy(csdk_provider*, csdk_call, const csdk_target_args*) { return CSDK_OK; }

csdk_status sandboxUrl(csdk_provider* p, csdk_call call, const csdk_url_args* args) {
  const std::string text = "https://" + std::to_string(args->port) + ".example";
  const csdk_pair header[] = {{str("x-token"), str("t")}};
  csdk_url url{};
  url.struct_size = sizeof url;
  url.url = str(text);
  url.headers = {header, 1};
  p->host->emit_url(p->host, call, &url);
  return CSDK_OK;
}

csdk_status fsRead(csdk_provider* p, csdk_call call, const csdk_fs_args* args) {
  std::string content;
  {
    std::lock_guard lock(filesMutex);
    const auto found = files.find(std::string(view(args->path)));
    if (found == files.end()) return failWith(p, call, CSDK_NOT_FOUND, "no such file");
    content = found->second;
  }
  return put(p, call, content, CSDK_STREAM_DATA) == CSDK_CANCELLED ? CSDK_CANCELLED : CSDK_OK;
}

csdk_status fsWrite(csdk_provider*, csdk_call, const csdk_fs_args* args) {
  std::string content(view(args->input));
  if (args->source != nullptr) {
    uint8_t buffer[4096];
    size_t size = 0;
    csdk_status status;
    while ((status = args->source->read(args->source, buffer, sizeof buffer, &size)) == CSDK_OK ||
           status == CSDK_AGAIN) {
      if (status == CSDK_OK) content.append(reinterpret_cast<char*>(buffer), size);
    }
    if (status != CSDK_EOF) return status;
  }
  std::lock_guard lock(filesMutex);
  files[std::string(view(args->path))] = content;
  return CSDK_OK;
}

csdk_status fsStat(csdk_provider* p, csdk_call call, const csdk_fs_args* args) {
  csdk_entry entry{};
  entry.struct_size = sizeof entry;
  entry.name = str("f");
  entry.path = args->path;
  entry.type = CSDK_ENTRY_FILE;
  entry.size = 7;
  p->host->emit_entry(p->host, call, &entry);
  return CSDK_OK;
}

csdk_status fsList(csdk_provider* p, csdk_call call, const csdk_fs_args* args) {
  for (int i = 0; i < 3; ++i) fsStat(p, call, args);
  return CSDK_OK;
}

csdk_status fsOther(csdk_provider*, csdk_call, const csdk_fs_args*) { return CSDK_OK; }

constexpr csdk_plugin table() {
  csdk_plugin plugin{};
  plugin.struct_size = sizeof plugin;
  plugin.abi_minor = CSDK_ABI_MINOR;
  plugin.draft = CSDK_ABI_DRAFT;
  plugin.name = {"fake", 4};
  plugin.version = {"1.0.0", 5};
  plugin.provider_open = &open;
  plugin.provider_close = &close;
  plugin.sandbox_create = &create;
  plugin.sandbox_inspect = &inspect;
  plugin.sandbox_attach = &inspect;
  plugin.sandbox_list = &list;
  plugin.sandbox_destroy = &destroy;
  plugin.sandbox_url = &sandboxUrl;
  plugin.exec = &fakeExec;
  plugin.fs_read = &fsRead;
  plugin.fs_write = &fsWrite;
  plugin.fs_list = &fsList;
  plugin.fs_stat = &fsStat;
  plugin.fs_mkdir = &fsOther;
  plugin.fs_remove = &fsOther;
  plugin.fs_rename = &fsOther;
  plugin.extension = &fakeExtension;
#if defined(FAKE_DRAFT)
  plugin.draft = FAKE_DRAFT;
#endif
#if defined(FAKE_WRONG_NAME)
  plugin.name = {"other", 5};
#endif
#if defined(FAKE_NO_OPEN)
  plugin.provider_open = nullptr;
#endif
#if defined(FAKE_SHORT_TABLE)
  plugin.struct_size = offsetof(csdk_plugin, sandbox_url);
#endif
  return plugin;
}

const csdk_plugin kTable = table();

}  // namespace

#if defined(FAKE_MAJOR_2)
extern "C" CSDK_EXPORT const csdk_plugin* csdk_plugin_entry_v2(const csdk_host_info*) { return &kTable; }
#elif !defined(FAKE_NO_ENTRY)
const csdk_plugin* csdk_plugin_entry_v1(const csdk_host_info* info) {
#if defined(FAKE_REFUSES)
  info->refuse(info->ctx, str("not on a Saturday"));
  return nullptr;
#endif
  (void)info;
  return &kTable;
}
#endif

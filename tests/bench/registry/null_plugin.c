/* A provider whose commands do nothing: one chunk of output and exit code 0. What is left is the cost of calling it. */
#include <computesdk/plugin.h>

#include <stdlib.h>

struct csdk_provider {
  const csdk_host* host;
};

static csdk_status open_provider(const csdk_host* host, csdk_call call, const csdk_open_args* args,
                                 csdk_provider** out) {
  (void)call;
  (void)args;
  *out = malloc(sizeof **out);
  if (*out == NULL) return CSDK_RESOURCE_EXHAUSTED;
  (*out)->host = host;
  return CSDK_OK;
}

static void close_provider(csdk_provider* provider) { free(provider); }

static csdk_status exec_nothing(csdk_provider* provider, csdk_call call, const csdk_exec_args* args) {
  static const uint8_t text[] = {'x'};
  static const csdk_exit ended = {sizeof ended, 0, CSDK_EXIT_CODE, 0};
  (void)args;
  provider->host->write(provider->host, call, CSDK_STREAM_STDOUT, (csdk_bytes){text, sizeof text});
  provider->host->exit(provider->host, call, &ended);
  return CSDK_OK;
}

static csdk_status create_nothing(csdk_provider* provider, csdk_call call, const csdk_create_args* args) {
  const csdk_sandbox_info info = {.struct_size = sizeof info, .id = {"sandbox", 7}, .status = CSDK_SANDBOX_RUNNING};
  (void)args;
  return provider->host->emit_sandbox(provider->host, call, &info);
}

static csdk_status destroy_nothing(csdk_provider* provider, csdk_call call, const csdk_target_args* args) {
  (void)provider;
  (void)call;
  (void)args;
  return CSDK_OK;
}

static const csdk_plugin table = {
    .struct_size = sizeof table,
    .abi_minor = CSDK_ABI_MINOR,
    .draft = CSDK_ABI_DRAFT,
    .name = {"null", 4},
    .version = {"1.0.0", 5},
    .provider_open = open_provider,
    .provider_close = close_provider,
    .sandbox_create = create_nothing,
    .sandbox_destroy = destroy_nothing,
    .exec = exec_nothing,
};

const csdk_plugin* csdk_plugin_entry_v1(const csdk_host_info* info) {
  (void)info;
  return &table;
}

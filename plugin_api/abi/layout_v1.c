/* The layout of ABI 1: offset and type of every field, size of every struct, value of every constant.
 * Written by plugin_api/abi/regenerate; not edited by hand. Compiled as C11 in every build. A move, a retype or a new
 * value stops the build; structs led by struct_size may grow at the end. */
/* clang-format off */
#include <computesdk/plugin.h>

#define FIELD(owner, field, offset, type)                                                       \
  _Static_assert(offsetof(owner, field) == (offset), #owner "." #field " moved");               \
  _Static_assert(_Generic(((owner*)0)->field, type: 1, default: 0), #owner "." #field " has another type")
#define LEAF(owner, size) _Static_assert(sizeof(owner) == (size), #owner " never changes")
#define GROWS(owner, size) _Static_assert(sizeof(owner) >= (size), #owner " only grows")
#define VALUE(name, value) _Static_assert(name == (value), #name " has another value")
#define TEXT(name, size) _Static_assert(sizeof(name) == (size), #name " has another length")

_Static_assert(_Generic((csdk_status)0, int32_t: 1, default: 0), "csdk_status");
_Static_assert(_Generic((csdk_call)0, uint64_t: 1, default: 0), "csdk_call");
_Static_assert(_Generic((csdk_notify_fn)0, void (*)(void*): 1, default: 0), "csdk_notify_fn");
_Static_assert(_Generic((csdk_plugin_entry_fn)0, const csdk_plugin* (*)(const csdk_host_info*): 1, default: 0), "entry");
_Static_assert(_Generic(&csdk_plugin_entry_v1, csdk_plugin_entry_fn: 1, default: 0), "csdk_plugin_entry_v1");

LEAF(csdk_str, 16);
FIELD(csdk_str, data, 0, const char*);
FIELD(csdk_str, size, 8, size_t);

LEAF(csdk_bytes, 16);
FIELD(csdk_bytes, data, 0, const uint8_t*);
FIELD(csdk_bytes, size, 8, size_t);

LEAF(csdk_strs, 16);
FIELD(csdk_strs, items, 0, const csdk_str*);
FIELD(csdk_strs, count, 8, size_t);

LEAF(csdk_pair, 32);
FIELD(csdk_pair, key, 0, csdk_str);
FIELD(csdk_pair, value, 16, csdk_str);

LEAF(csdk_pairs, 16);
FIELD(csdk_pairs, items, 0, const csdk_pair*);
FIELD(csdk_pairs, count, 8, size_t);

LEAF(csdk_option, 56);
FIELD(csdk_option, key, 0, csdk_str);
FIELD(csdk_option, kind, 16, uint32_t);
FIELD(csdk_option, flags, 20, uint32_t);
FIELD(csdk_option, i, 24, int64_t);
FIELD(csdk_option, d, 32, double);
FIELD(csdk_option, s, 40, csdk_bytes);

LEAF(csdk_options, 16);
FIELD(csdk_options, items, 0, const csdk_option*);
FIELD(csdk_options, count, 8, size_t);

LEAF(csdk_ports, 16);
FIELD(csdk_ports, items, 0, const uint16_t*);
FIELD(csdk_ports, count, 8, size_t);

LEAF(csdk_target, 32);
FIELD(csdk_target, id, 0, csdk_str);
FIELD(csdk_target, token, 16, csdk_bytes);

GROWS(csdk_source, 40);
FIELD(csdk_source, struct_size, 0, uint32_t);
FIELD(csdk_source, flags, 4, uint32_t);
FIELD(csdk_source, ctx, 8, void*);
FIELD(csdk_source, size_hint, 16, int64_t);
FIELD(csdk_source, read, 24, csdk_status (*)(const struct csdk_source* source, uint8_t* buffer, size_t capacity, size_t* out_size));
FIELD(csdk_source, on_readable, 32, csdk_status (*)(const struct csdk_source* source, csdk_notify_fn fn, void* ctx));

GROWS(csdk_error, 104);
FIELD(csdk_error, struct_size, 0, uint32_t);
FIELD(csdk_error, flags, 4, uint32_t);
FIELD(csdk_error, error_class, 8, uint32_t);
FIELD(csdk_error, http_status, 12, int32_t);
FIELD(csdk_error, retry_after_ms, 16, int64_t);
FIELD(csdk_error, message, 24, csdk_str);
FIELD(csdk_error, fix, 40, csdk_str);
FIELD(csdk_error, vendor_code, 56, csdk_str);
FIELD(csdk_error, raw, 72, csdk_str);
FIELD(csdk_error, request_id, 88, csdk_str);

GROWS(csdk_sandbox_info, 240);
FIELD(csdk_sandbox_info, struct_size, 0, uint32_t);
FIELD(csdk_sandbox_info, flags, 4, uint32_t);
FIELD(csdk_sandbox_info, id, 8, csdk_str);
FIELD(csdk_sandbox_info, token, 24, csdk_bytes);
FIELD(csdk_sandbox_info, name, 40, csdk_str);
FIELD(csdk_sandbox_info, status, 56, uint32_t);
FIELD(csdk_sandbox_info, network, 60, uint32_t);
FIELD(csdk_sandbox_info, created_ms, 64, int64_t);
FIELD(csdk_sandbox_info, expires_ms, 72, int64_t);
FIELD(csdk_sandbox_info, cpu_milli, 80, int64_t);
FIELD(csdk_sandbox_info, memory_bytes, 88, int64_t);
FIELD(csdk_sandbox_info, disk_bytes, 96, int64_t);
FIELD(csdk_sandbox_info, process_limit, 104, int64_t);
FIELD(csdk_sandbox_info, template_id, 112, csdk_str);
FIELD(csdk_sandbox_info, image, 128, csdk_str);
FIELD(csdk_sandbox_info, working_directory, 144, csdk_str);
FIELD(csdk_sandbox_info, isolation, 160, csdk_str);
FIELD(csdk_sandbox_info, metadata, 176, csdk_pairs);
FIELD(csdk_sandbox_info, limits, 192, csdk_pairs);
FIELD(csdk_sandbox_info, notices, 208, csdk_strs);
FIELD(csdk_sandbox_info, native_json, 224, csdk_str);

GROWS(csdk_exit, 16);
FIELD(csdk_exit, struct_size, 0, uint32_t);
FIELD(csdk_exit, flags, 4, uint32_t);
FIELD(csdk_exit, kind, 8, uint32_t);
FIELD(csdk_exit, value, 12, int32_t);

GROWS(csdk_entry, 112);
FIELD(csdk_entry, struct_size, 0, uint32_t);
FIELD(csdk_entry, flags, 4, uint32_t);
FIELD(csdk_entry, name, 8, csdk_str);
FIELD(csdk_entry, path, 24, csdk_str);
FIELD(csdk_entry, type, 40, uint32_t);
FIELD(csdk_entry, mode, 44, uint32_t);
FIELD(csdk_entry, size, 48, int64_t);
FIELD(csdk_entry, modified_ms, 56, int64_t);
FIELD(csdk_entry, owner, 64, csdk_str);
FIELD(csdk_entry, group, 80, csdk_str);
FIELD(csdk_entry, link_target, 96, csdk_str);

GROWS(csdk_url, 48);
FIELD(csdk_url, struct_size, 0, uint32_t);
FIELD(csdk_url, flags, 4, uint32_t);
FIELD(csdk_url, url, 8, csdk_str);
FIELD(csdk_url, headers, 24, csdk_pairs);
FIELD(csdk_url, expires_ms, 40, int64_t);

GROWS(csdk_process, 88);
FIELD(csdk_process, struct_size, 0, uint32_t);
FIELD(csdk_process, flags, 4, uint32_t);
FIELD(csdk_process, id, 8, csdk_str);
FIELD(csdk_process, command, 24, csdk_str);
FIELD(csdk_process, tag, 40, csdk_str);
FIELD(csdk_process, state, 56, uint32_t);
FIELD(csdk_process, exit_kind, 60, uint32_t);
FIELD(csdk_process, exit_value, 64, int32_t);
FIELD(csdk_process, reserved, 68, uint32_t);
FIELD(csdk_process, pid, 72, int64_t);
FIELD(csdk_process, started_ms, 80, int64_t);

GROWS(csdk_snapshot, 88);
FIELD(csdk_snapshot, struct_size, 0, uint32_t);
FIELD(csdk_snapshot, flags, 4, uint32_t);
FIELD(csdk_snapshot, id, 8, csdk_str);
FIELD(csdk_snapshot, name, 24, csdk_str);
FIELD(csdk_snapshot, sandbox_id, 40, csdk_str);
FIELD(csdk_snapshot, created_ms, 56, int64_t);
FIELD(csdk_snapshot, size_bytes, 64, int64_t);
FIELD(csdk_snapshot, metadata, 72, csdk_pairs);

GROWS(csdk_template, 72);
FIELD(csdk_template, struct_size, 0, uint32_t);
FIELD(csdk_template, flags, 4, uint32_t);
FIELD(csdk_template, id, 8, csdk_str);
FIELD(csdk_template, name, 24, csdk_str);
FIELD(csdk_template, description, 40, csdk_str);
FIELD(csdk_template, state, 56, uint32_t);
FIELD(csdk_template, reserved, 60, uint32_t);
FIELD(csdk_template, created_ms, 64, int64_t);

GROWS(csdk_progress, 56);
FIELD(csdk_progress, struct_size, 0, uint32_t);
FIELD(csdk_progress, flags, 4, uint32_t);
FIELD(csdk_progress, phase, 8, csdk_str);
FIELD(csdk_progress, message, 24, csdk_str);
FIELD(csdk_progress, done, 40, int64_t);
FIELD(csdk_progress, total, 48, int64_t);

GROWS(csdk_host, 184);
FIELD(csdk_host, struct_size, 0, uint32_t);
FIELD(csdk_host, abi_minor, 4, uint32_t);
FIELD(csdk_host, ctx, 8, void*);
FIELD(csdk_host, log, 16, void (*)(const struct csdk_host* host, csdk_call call, uint32_t level, csdk_str message));
FIELD(csdk_host, now_mono_ns, 24, int64_t (*)(const struct csdk_host* host));
FIELD(csdk_host, now_wall_ms, 32, int64_t (*)(const struct csdk_host* host));
FIELD(csdk_host, deadline_ns, 40, int64_t (*)(const struct csdk_host* host, csdk_call call));
FIELD(csdk_host, is_cancelled, 48, int32_t (*)(const struct csdk_host* host, csdk_call call));
FIELD(csdk_host, on_cancel, 56, csdk_status (*)(const struct csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx));
FIELD(csdk_host, on_resume, 64, csdk_status (*)(const struct csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx));
FIELD(csdk_host, complete, 72, csdk_status (*)(const struct csdk_host* host, csdk_call call, csdk_status status));
FIELD(csdk_host, fail, 80, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_error* error));
FIELD(csdk_host, progress, 88, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_progress* progress));
FIELD(csdk_host, emit_token, 96, csdk_status (*)(const struct csdk_host* host, csdk_call call, csdk_bytes token));
FIELD(csdk_host, emit_sandbox, 104, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_sandbox_info* info));
FIELD(csdk_host, emit_entry, 112, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_entry* entry));
FIELD(csdk_host, emit_url, 120, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_url* url));
FIELD(csdk_host, emit_process, 128, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_process* process));
FIELD(csdk_host, emit_snapshot, 136, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_snapshot* snapshot));
FIELD(csdk_host, emit_template, 144, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_template* item));
FIELD(csdk_host, emit_json, 152, csdk_status (*)(const struct csdk_host* host, csdk_call call, csdk_str json));
FIELD(csdk_host, write, 160, csdk_status (*)(const struct csdk_host* host, csdk_call call, uint32_t stream, csdk_bytes data));
FIELD(csdk_host, exit, 168, csdk_status (*)(const struct csdk_host* host, csdk_call call, const csdk_exit* exit));
FIELD(csdk_host, extension, 176, const void* (*)(const struct csdk_host* host, csdk_str id));

GROWS(csdk_host_info, 72);
FIELD(csdk_host_info, struct_size, 0, uint32_t);
FIELD(csdk_host_info, flags, 4, uint32_t);
FIELD(csdk_host_info, abi_major, 8, uint32_t);
FIELD(csdk_host_info, abi_minor, 12, uint32_t);
FIELD(csdk_host_info, draft, 16, uint32_t);
FIELD(csdk_host_info, reserved, 20, uint32_t);
FIELD(csdk_host_info, host_name, 24, csdk_str);
FIELD(csdk_host_info, host_version, 40, csdk_str);
FIELD(csdk_host_info, ctx, 56, void*);
FIELD(csdk_host_info, refuse, 64, void (*)(void* ctx, csdk_str reason));

GROWS(csdk_open_args, 24);
FIELD(csdk_open_args, struct_size, 0, uint32_t);
FIELD(csdk_open_args, flags, 4, uint32_t);
FIELD(csdk_open_args, config, 8, csdk_options);

GROWS(csdk_create_args, 232);
FIELD(csdk_create_args, struct_size, 0, uint32_t);
FIELD(csdk_create_args, flags, 4, uint32_t);
FIELD(csdk_create_args, name, 8, csdk_str);
FIELD(csdk_create_args, template_id, 24, csdk_str);
FIELD(csdk_create_args, image, 40, csdk_str);
FIELD(csdk_create_args, snapshot_id, 56, csdk_str);
FIELD(csdk_create_args, runtime, 72, csdk_str);
FIELD(csdk_create_args, working_directory, 88, csdk_str);
FIELD(csdk_create_args, env, 104, csdk_pairs);
FIELD(csdk_create_args, metadata, 120, csdk_pairs);
FIELD(csdk_create_args, ports, 136, csdk_ports);
FIELD(csdk_create_args, timeout_ms, 152, int64_t);
FIELD(csdk_create_args, cpu_milli, 160, int64_t);
FIELD(csdk_create_args, memory_bytes, 168, int64_t);
FIELD(csdk_create_args, disk_bytes, 176, int64_t);
FIELD(csdk_create_args, process_limit, 184, int64_t);
FIELD(csdk_create_args, network, 192, uint32_t);
FIELD(csdk_create_args, reserved, 196, uint32_t);
FIELD(csdk_create_args, idempotency_key, 200, csdk_str);
FIELD(csdk_create_args, options, 216, csdk_options);

GROWS(csdk_target_args, 40);
FIELD(csdk_target_args, struct_size, 0, uint32_t);
FIELD(csdk_target_args, flags, 4, uint32_t);
FIELD(csdk_target_args, target, 8, csdk_target);

GROWS(csdk_list_args, 32);
FIELD(csdk_list_args, struct_size, 0, uint32_t);
FIELD(csdk_list_args, flags, 4, uint32_t);
FIELD(csdk_list_args, limit, 8, int64_t);
FIELD(csdk_list_args, metadata, 16, csdk_pairs);

GROWS(csdk_url_args, 64);
FIELD(csdk_url_args, struct_size, 0, uint32_t);
FIELD(csdk_url_args, flags, 4, uint32_t);
FIELD(csdk_url_args, target, 8, csdk_target);
FIELD(csdk_url_args, port, 40, uint32_t);
FIELD(csdk_url_args, reserved, 44, uint32_t);
FIELD(csdk_url_args, protocol, 48, csdk_str);

GROWS(csdk_exec_args, 152);
FIELD(csdk_exec_args, struct_size, 0, uint32_t);
FIELD(csdk_exec_args, flags, 4, uint32_t);
FIELD(csdk_exec_args, target, 8, csdk_target);
FIELD(csdk_exec_args, argv, 40, csdk_strs);
FIELD(csdk_exec_args, command, 56, csdk_str);
FIELD(csdk_exec_args, cwd, 72, csdk_str);
FIELD(csdk_exec_args, env, 88, csdk_pairs);
FIELD(csdk_exec_args, input, 104, csdk_bytes);
FIELD(csdk_exec_args, source, 120, const csdk_source*);
FIELD(csdk_exec_args, timeout_ms, 128, int64_t);
FIELD(csdk_exec_args, options, 136, csdk_options);

GROWS(csdk_fs_args, 120);
FIELD(csdk_fs_args, struct_size, 0, uint32_t);
FIELD(csdk_fs_args, flags, 4, uint32_t);
FIELD(csdk_fs_args, target, 8, csdk_target);
FIELD(csdk_fs_args, path, 40, csdk_str);
FIELD(csdk_fs_args, to_path, 56, csdk_str);
FIELD(csdk_fs_args, offset, 72, int64_t);
FIELD(csdk_fs_args, length, 80, int64_t);
FIELD(csdk_fs_args, mode, 88, uint32_t);
FIELD(csdk_fs_args, reserved, 92, uint32_t);
FIELD(csdk_fs_args, input, 96, csdk_bytes);
FIELD(csdk_fs_args, source, 112, const csdk_source*);

GROWS(csdk_plugin, 192);
FIELD(csdk_plugin, struct_size, 0, uint32_t);
FIELD(csdk_plugin, abi_minor, 4, uint32_t);
FIELD(csdk_plugin, draft, 8, uint32_t);
FIELD(csdk_plugin, reserved, 12, uint32_t);
FIELD(csdk_plugin, name, 16, csdk_str);
FIELD(csdk_plugin, version, 32, csdk_str);
FIELD(csdk_plugin, provider_open, 48, csdk_status (*)(const csdk_host* host, csdk_call call, const csdk_open_args* args, csdk_provider** out));
FIELD(csdk_plugin, provider_close, 56, void (*)(csdk_provider* provider));
FIELD(csdk_plugin, sandbox_create, 64, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_create_args* args));
FIELD(csdk_plugin, sandbox_inspect, 72, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));
FIELD(csdk_plugin, sandbox_attach, 80, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));
FIELD(csdk_plugin, sandbox_list, 88, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_list_args* args));
FIELD(csdk_plugin, sandbox_destroy, 96, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));
FIELD(csdk_plugin, sandbox_release, 104, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));
FIELD(csdk_plugin, sandbox_url, 112, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_url_args* args));
FIELD(csdk_plugin, exec, 120, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_exec_args* args));
FIELD(csdk_plugin, fs_read, 128, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_write, 136, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_list, 144, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_stat, 152, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_mkdir, 160, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_remove, 168, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, fs_rename, 176, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args));
FIELD(csdk_plugin, extension, 184, const void* (*)(csdk_str id));

GROWS(csdk_process_start_args, 40);
FIELD(csdk_process_start_args, struct_size, 0, uint32_t);
FIELD(csdk_process_start_args, flags, 4, uint32_t);
FIELD(csdk_process_start_args, exec, 8, const csdk_exec_args*);
FIELD(csdk_process_start_args, columns, 16, uint32_t);
FIELD(csdk_process_start_args, rows, 20, uint32_t);
FIELD(csdk_process_start_args, tag, 24, csdk_str);

GROWS(csdk_process_args, 96);
FIELD(csdk_process_args, struct_size, 0, uint32_t);
FIELD(csdk_process_args, flags, 4, uint32_t);
FIELD(csdk_process_args, target, 8, csdk_target);
FIELD(csdk_process_args, process_id, 40, csdk_str);
FIELD(csdk_process_args, input, 56, csdk_bytes);
FIELD(csdk_process_args, signal, 72, int32_t);
FIELD(csdk_process_args, columns, 76, uint32_t);
FIELD(csdk_process_args, rows, 80, uint32_t);
FIELD(csdk_process_args, reserved, 84, uint32_t);
FIELD(csdk_process_args, offset, 88, int64_t);

GROWS(csdk_process_ext, 64);
FIELD(csdk_process_ext, struct_size, 0, uint32_t);
FIELD(csdk_process_ext, abi_minor, 4, uint32_t);
FIELD(csdk_process_ext, start, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_start_args* args));
FIELD(csdk_process_ext, list, 16, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));
FIELD(csdk_process_ext, attach, 24, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));
FIELD(csdk_process_ext, wait, 32, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));
FIELD(csdk_process_ext, write_stdin, 40, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));
FIELD(csdk_process_ext, signal, 48, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));
FIELD(csdk_process_ext, resize, 56, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_process_args* args));

GROWS(csdk_dial_args, 56);
FIELD(csdk_dial_args, struct_size, 0, uint32_t);
FIELD(csdk_dial_args, flags, 4, uint32_t);
FIELD(csdk_dial_args, target, 8, csdk_target);
FIELD(csdk_dial_args, port, 40, uint32_t);
FIELD(csdk_dial_args, reserved, 44, uint32_t);
FIELD(csdk_dial_args, source, 48, const csdk_source*);

GROWS(csdk_port_ext, 16);
FIELD(csdk_port_ext, struct_size, 0, uint32_t);
FIELD(csdk_port_ext, abi_minor, 4, uint32_t);
FIELD(csdk_port_ext, dial, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_dial_args* args));

GROWS(csdk_snapshot_args, 88);
FIELD(csdk_snapshot_args, struct_size, 0, uint32_t);
FIELD(csdk_snapshot_args, flags, 4, uint32_t);
FIELD(csdk_snapshot_args, target, 8, csdk_target);
FIELD(csdk_snapshot_args, snapshot_id, 40, csdk_str);
FIELD(csdk_snapshot_args, name, 56, csdk_str);
FIELD(csdk_snapshot_args, metadata, 72, csdk_pairs);

GROWS(csdk_snapshot_ext, 32);
FIELD(csdk_snapshot_ext, struct_size, 0, uint32_t);
FIELD(csdk_snapshot_ext, abi_minor, 4, uint32_t);
FIELD(csdk_snapshot_ext, create, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args));
FIELD(csdk_snapshot_ext, list, 16, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args));
FIELD(csdk_snapshot_ext, remove, 24, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args));

GROWS(csdk_template_args, 56);
FIELD(csdk_template_args, struct_size, 0, uint32_t);
FIELD(csdk_template_args, flags, 4, uint32_t);
FIELD(csdk_template_args, template_id, 8, csdk_str);
FIELD(csdk_template_args, name, 24, csdk_str);
FIELD(csdk_template_args, options, 40, csdk_options);

GROWS(csdk_template_ext, 40);
FIELD(csdk_template_ext, struct_size, 0, uint32_t);
FIELD(csdk_template_ext, abi_minor, 4, uint32_t);
FIELD(csdk_template_ext, list, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_template_args* args));
FIELD(csdk_template_ext, inspect, 16, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_template_args* args));
FIELD(csdk_template_ext, build, 24, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_template_args* args));
FIELD(csdk_template_ext, remove, 32, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_template_args* args));

GROWS(csdk_named_args, 48);
FIELD(csdk_named_args, struct_size, 0, uint32_t);
FIELD(csdk_named_args, flags, 4, uint32_t);
FIELD(csdk_named_args, name_space, 8, csdk_str);
FIELD(csdk_named_args, name, 24, csdk_str);
FIELD(csdk_named_args, create, 40, const csdk_create_args*);

GROWS(csdk_named_ext, 24);
FIELD(csdk_named_ext, struct_size, 0, uint32_t);
FIELD(csdk_named_ext, abi_minor, 4, uint32_t);
FIELD(csdk_named_ext, find, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_named_args* args));
FIELD(csdk_named_ext, find_or_create, 16, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_named_args* args));

GROWS(csdk_extend_args, 48);
FIELD(csdk_extend_args, struct_size, 0, uint32_t);
FIELD(csdk_extend_args, flags, 4, uint32_t);
FIELD(csdk_extend_args, target, 8, csdk_target);
FIELD(csdk_extend_args, duration_ms, 40, int64_t);

GROWS(csdk_lifetime_ext, 40);
FIELD(csdk_lifetime_ext, struct_size, 0, uint32_t);
FIELD(csdk_lifetime_ext, abi_minor, 4, uint32_t);
FIELD(csdk_lifetime_ext, extend_meaning, 8, uint32_t);
FIELD(csdk_lifetime_ext, reserved, 12, uint32_t);
FIELD(csdk_lifetime_ext, extend, 16, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_extend_args* args));
FIELD(csdk_lifetime_ext, pause, 24, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));
FIELD(csdk_lifetime_ext, resume, 32, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_target_args* args));

GROWS(csdk_vendor_call_args, 72);
FIELD(csdk_vendor_call_args, struct_size, 0, uint32_t);
FIELD(csdk_vendor_call_args, flags, 4, uint32_t);
FIELD(csdk_vendor_call_args, target, 8, csdk_target);
FIELD(csdk_vendor_call_args, operation, 40, csdk_str);
FIELD(csdk_vendor_call_args, json, 56, csdk_str);

GROWS(csdk_vendor_call_ext, 16);
FIELD(csdk_vendor_call_ext, struct_size, 0, uint32_t);
FIELD(csdk_vendor_call_ext, abi_minor, 4, uint32_t);
FIELD(csdk_vendor_call_ext, call, 8, csdk_status (*)(csdk_provider* provider, csdk_call call, const csdk_vendor_call_args* args));

GROWS(csdk_timer_ext, 24);
FIELD(csdk_timer_ext, struct_size, 0, uint32_t);
FIELD(csdk_timer_ext, abi_minor, 4, uint32_t);
FIELD(csdk_timer_ext, start, 8, csdk_status (*)(const csdk_host* host, csdk_call call, int64_t delay_ns, csdk_notify_fn fn, void* ctx, uint64_t* out_timer));
FIELD(csdk_timer_ext, cancel, 16, csdk_status (*)(const csdk_host* host, csdk_call call, uint64_t timer));

GROWS(csdk_http_retry, 40);
FIELD(csdk_http_retry, struct_size, 0, uint32_t);
FIELD(csdk_http_retry, flags, 4, uint32_t);
FIELD(csdk_http_retry, mode, 8, uint32_t);
FIELD(csdk_http_retry, max_attempts, 12, uint32_t);
FIELD(csdk_http_retry, statuses, 16, csdk_ports);
FIELD(csdk_http_retry, total_ms, 32, int64_t);

GROWS(csdk_http_request, 152);
FIELD(csdk_http_request, struct_size, 0, uint32_t);
FIELD(csdk_http_request, flags, 4, uint32_t);
FIELD(csdk_http_request, method, 8, csdk_str);
FIELD(csdk_http_request, url, 24, csdk_str);
FIELD(csdk_http_request, headers, 40, csdk_pairs);
FIELD(csdk_http_request, secret_headers, 56, csdk_pairs);
FIELD(csdk_http_request, subprotocols, 72, csdk_strs);
FIELD(csdk_http_request, body, 88, csdk_bytes);
FIELD(csdk_http_request, retry, 104, const csdk_http_retry*);
FIELD(csdk_http_request, connect_timeout_ms, 112, int64_t);
FIELD(csdk_http_request, head_timeout_ms, 120, int64_t);
FIELD(csdk_http_request, idle_timeout_ms, 128, int64_t);
FIELD(csdk_http_request, on_event, 136, csdk_notify_fn);
FIELD(csdk_http_request, on_event_ctx, 144, void*);

GROWS(csdk_http_event, 80);
FIELD(csdk_http_event, struct_size, 0, uint32_t);
FIELD(csdk_http_event, flags, 4, uint32_t);
FIELD(csdk_http_event, request, 8, uint64_t);
FIELD(csdk_http_event, kind, 16, uint32_t);
FIELD(csdk_http_event, status, 20, int32_t);
FIELD(csdk_http_event, headers, 24, csdk_pairs);
FIELD(csdk_http_event, data, 40, csdk_bytes);
FIELD(csdk_http_event, message, 56, csdk_str);
FIELD(csdk_http_event, error_class, 72, uint32_t);
FIELD(csdk_http_event, attempts, 76, uint32_t);

GROWS(csdk_http_ext, 56);
FIELD(csdk_http_ext, struct_size, 0, uint32_t);
FIELD(csdk_http_ext, abi_minor, 4, uint32_t);
FIELD(csdk_http_ext, start, 8, csdk_status (*)(const csdk_host* host, csdk_call call, const csdk_http_request* request, uint64_t* out_request));
FIELD(csdk_http_ext, next, 16, csdk_status (*)(const csdk_host* host, csdk_call call, int64_t deadline_ns, csdk_http_event* out));
FIELD(csdk_http_ext, write, 24, csdk_status (*)(const csdk_host* host, csdk_call call, uint64_t request, uint32_t flags, csdk_bytes data));
FIELD(csdk_http_ext, ack, 32, csdk_status (*)(const csdk_host* host, csdk_call call, uint64_t request, size_t size));
FIELD(csdk_http_ext, close, 40, csdk_status (*)(const csdk_host* host, csdk_call call, uint64_t request, int32_t code, csdk_str reason));
FIELD(csdk_http_ext, wake, 48, csdk_status (*)(const csdk_host* host, csdk_call call));

VALUE(CSDK_ABI_MAJOR, 1);
VALUE(CSDK_ID_MAX, 256u);
VALUE(CSDK_TOKEN_MAX, 4096u);
VALUE(CSDK_INLINE_INPUT_MAX, 1048576u);
VALUE(CSDK_HIGH_WATER, 1048576u);
VALUE(CSDK_OK, 0);
VALUE(CSDK_PENDING, 1);
VALUE(CSDK_AGAIN, 2);
VALUE(CSDK_EOF, 3);
VALUE(CSDK_PAUSE, 4);
VALUE(CSDK_CANCELLED, (-1));
VALUE(CSDK_UNKNOWN, (-2));
VALUE(CSDK_INVALID_ARGUMENT, (-3));
VALUE(CSDK_DEADLINE_EXCEEDED, (-4));
VALUE(CSDK_NOT_FOUND, (-5));
VALUE(CSDK_ALREADY_EXISTS, (-6));
VALUE(CSDK_PERMISSION_DENIED, (-7));
VALUE(CSDK_RESOURCE_EXHAUSTED, (-8));
VALUE(CSDK_FAILED_PRECONDITION, (-9));
VALUE(CSDK_ABORTED, (-10));
VALUE(CSDK_OUT_OF_RANGE, (-11));
VALUE(CSDK_UNIMPLEMENTED, (-12));
VALUE(CSDK_INTERNAL, (-13));
VALUE(CSDK_UNAVAILABLE, (-14));
VALUE(CSDK_DATA_LOSS, (-15));
VALUE(CSDK_UNAUTHENTICATED, (-16));
VALUE(CSDK_OPTION_BOOL, 1u);
VALUE(CSDK_OPTION_I64, 2u);
VALUE(CSDK_OPTION_F64, 3u);
VALUE(CSDK_OPTION_STR, 4u);
VALUE(CSDK_OPTION_BYTES, 5u);
VALUE(CSDK_OPTION_JSON, 6u);
VALUE(CSDK_OPTION_SECRET, 1u);
VALUE(CSDK_OPTION_SECRET_REF, 2u);
VALUE(CSDK_ERROR_PLAIN, 0u);
VALUE(CSDK_ERROR_RATE_LIMIT, 1u);
VALUE(CSDK_ERROR_QUOTA, 2u);
VALUE(CSDK_ERROR_PLAN, 3u);
VALUE(CSDK_ERROR_STOPPED, 4u);
VALUE(CSDK_ERROR_GONE, 5u);
VALUE(CSDK_ERROR_CREDENTIAL_MISSING, 6u);
VALUE(CSDK_ERROR_CREDENTIAL_FORMAT, 7u);
VALUE(CSDK_ERROR_CREDENTIAL_REFUSED, 8u);
VALUE(CSDK_ERROR_NETWORK, 9u);
VALUE(CSDK_ERROR_TLS, 10u);
VALUE(CSDK_ERROR_PROTOCOL, 11u);
VALUE(CSDK_ERROR_DISK_FULL, 12u);
VALUE(CSDK_ERROR_ISOLATION, 13u);
VALUE(CSDK_ERROR_LIMIT, 14u);
VALUE(CSDK_ERROR_RETRYABLE, 1u);
VALUE(CSDK_ERROR_MAYBE_APPLIED, 2u);
VALUE(CSDK_ERROR_ORPHAN_GONE, 4u);
VALUE(CSDK_SANDBOX_UNKNOWN, 0u);
VALUE(CSDK_SANDBOX_STARTING, 1u);
VALUE(CSDK_SANDBOX_RUNNING, 2u);
VALUE(CSDK_SANDBOX_PAUSED, 3u);
VALUE(CSDK_SANDBOX_STOPPED, 4u);
VALUE(CSDK_SANDBOX_ERROR, 5u);
VALUE(CSDK_NETWORK_DEFAULT, 0u);
VALUE(CSDK_NETWORK_NONE, 1u);
VALUE(CSDK_NETWORK_FULL, 2u);
VALUE(CSDK_EXIT_CODE, 1u);
VALUE(CSDK_EXIT_SIGNAL, 2u);
VALUE(CSDK_EXIT_TIMEOUT, 3u);
VALUE(CSDK_EXIT_UNKNOWN, 4u);
VALUE(CSDK_EXIT_MERGED, 1u);
VALUE(CSDK_EXIT_LOSSY, 2u);
VALUE(CSDK_EXIT_TRUNCATED, 4u);
VALUE(CSDK_EXIT_MEMORY, 8u);
VALUE(CSDK_ENTRY_OTHER, 0u);
VALUE(CSDK_ENTRY_FILE, 1u);
VALUE(CSDK_ENTRY_DIRECTORY, 2u);
VALUE(CSDK_ENTRY_SYMLINK, 3u);
VALUE(CSDK_PROCESS_RUNNING, 1u);
VALUE(CSDK_PROCESS_ENDED, 2u);
VALUE(CSDK_LOG_DEBUG, 1u);
VALUE(CSDK_LOG_INFO, 2u);
VALUE(CSDK_LOG_WARN, 3u);
VALUE(CSDK_LOG_ERROR, 4u);
VALUE(CSDK_STREAM_STDOUT, 1u);
VALUE(CSDK_STREAM_STDERR, 2u);
VALUE(CSDK_STREAM_DATA, 3u);
VALUE(CSDK_STREAM_END, 4u);
VALUE(CSDK_CREATE_DIE_WITH_HOST, 1u);
VALUE(CSDK_CREATE_NETWORK, 0x00010000u);
VALUE(CSDK_CREATE_REQUIRE_HARD_LIMITS, 0x00020000u);
VALUE(CSDK_CREATE_ISOLATION_NONE, 0x00040000u);
VALUE(CSDK_CREATE_LIMITS, 0x00080000u);
VALUE(CSDK_FS_PARENTS, 1u);
VALUE(CSDK_FS_RECURSIVE, 2u);
VALUE(CSDK_FS_NO_FOLLOW, 4u);
VALUE(CSDK_PROCESS_STDIN, 1u);
VALUE(CSDK_PROCESS_PTY, 0x00010000u);
VALUE(CSDK_PROCESS_EOF, 1u);
VALUE(CSDK_PROCESS_GROUP, 2u);
VALUE(CSDK_PROCESS_KEPT_ONLY, 0x00010000u);
VALUE(CSDK_EXTEND_FROM_NOW, 1u);
VALUE(CSDK_EXTEND_ADDED, 2u);
VALUE(CSDK_EXTEND_IDLE, 3u);
VALUE(CSDK_EXTEND_FROM_CREATION, 4u);
VALUE(CSDK_HTTP_CREDIT, 262144u);
VALUE(CSDK_HTTP_RETRY_NONE, 0u);
VALUE(CSDK_HTTP_RETRY_IF_NOT_SENT, 1u);
VALUE(CSDK_HTTP_RETRY_IDEMPOTENT, 2u);
VALUE(CSDK_HTTP_BODY_STREAM, 1u);
VALUE(CSDK_HTTP_WEBSOCKET, 0x00010000u);
VALUE(CSDK_HTTP_HEAD, 1u);
VALUE(CSDK_HTTP_DATA, 2u);
VALUE(CSDK_HTTP_END, 3u);
VALUE(CSDK_HTTP_FAILED, 4u);
VALUE(CSDK_HTTP_WRITABLE, 5u);
VALUE(CSDK_HTTP_TIMER, 6u);
VALUE(CSDK_HTTP_TEXT, 1u);
VALUE(CSDK_HTTP_FINAL, 2u);
VALUE(CSDK_HTTP_MAYBE_APPLIED, 4u);
TEXT(CSDK_ENTRY_SYMBOL, 21); /* csdk_plugin_entry_v1 */
TEXT(CSDK_EXT_PROCESS, 15); /* csdk.process/1 */
TEXT(CSDK_EXT_PORT, 12); /* csdk.port/1 */
TEXT(CSDK_EXT_SNAPSHOT, 16); /* csdk.snapshot/1 */
TEXT(CSDK_EXT_TEMPLATE, 16); /* csdk.template/1 */
TEXT(CSDK_EXT_NAMED, 13); /* csdk.named/1 */
TEXT(CSDK_EXT_LIFETIME, 16); /* csdk.lifetime/1 */
TEXT(CSDK_EXT_VENDOR_CALL, 19); /* csdk.vendor-call/1 */
TEXT(CSDK_EXT_TIMER, 13); /* csdk.timer/1 */
TEXT(CSDK_EXT_HTTP, 12); /* csdk.http/1 */

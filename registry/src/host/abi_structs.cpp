#include "abi_structs.hpp"

#include <array>
#include <new>

namespace computesdk::registry::host {
namespace {

using enum FieldKind;

#define CSDK_FIELD(type, member, kind) \
  Field { offsetof(type, member), kind }
#define CSDK_TARGET_FIELDS(type)                                          \
  Field{offsetof(type, target) + offsetof(csdk_target, id), str}, Field { \
    offsetof(type, target) + offsetof(csdk_target, token), bytes          \
  }
#define CSDK_STRUCT(type, fields) \
  { #type, sizeof(type), fields }

constexpr std::array kOpenFields = {CSDK_FIELD(csdk_open_args, flags, word),
                                    CSDK_FIELD(csdk_open_args, config, options)};

constexpr std::array kCreateFields = {
    CSDK_FIELD(csdk_create_args, flags, word),
    CSDK_FIELD(csdk_create_args, name, str),
    CSDK_FIELD(csdk_create_args, template_id, str),
    CSDK_FIELD(csdk_create_args, image, str),
    CSDK_FIELD(csdk_create_args, snapshot_id, str),
    CSDK_FIELD(csdk_create_args, runtime, str),
    CSDK_FIELD(csdk_create_args, working_directory, str),
    CSDK_FIELD(csdk_create_args, env, pairs),
    CSDK_FIELD(csdk_create_args, metadata, pairs),
    CSDK_FIELD(csdk_create_args, ports, ports),
    CSDK_FIELD(csdk_create_args, timeout_ms, number),
    CSDK_FIELD(csdk_create_args, cpu_milli, number),
    CSDK_FIELD(csdk_create_args, memory_bytes, number),
    CSDK_FIELD(csdk_create_args, disk_bytes, number),
    CSDK_FIELD(csdk_create_args, process_limit, number),
    CSDK_FIELD(csdk_create_args, network, word),
    CSDK_FIELD(csdk_create_args, idempotency_key, str),
    CSDK_FIELD(csdk_create_args, options, options),
};

constexpr std::array kTargetFields = {CSDK_FIELD(csdk_target_args, flags, word), CSDK_TARGET_FIELDS(csdk_target_args)};

constexpr std::array kListFields = {CSDK_FIELD(csdk_list_args, flags, word), CSDK_FIELD(csdk_list_args, limit, number),
                                    CSDK_FIELD(csdk_list_args, metadata, pairs)};

constexpr std::array kUrlArgFields = {CSDK_FIELD(csdk_url_args, flags, word), CSDK_TARGET_FIELDS(csdk_url_args),
                                      CSDK_FIELD(csdk_url_args, port, word), CSDK_FIELD(csdk_url_args, protocol, str)};

constexpr std::array kExecFields = {
    CSDK_FIELD(csdk_exec_args, flags, word),        CSDK_TARGET_FIELDS(csdk_exec_args),
    CSDK_FIELD(csdk_exec_args, argv, strs),         CSDK_FIELD(csdk_exec_args, command, str),
    CSDK_FIELD(csdk_exec_args, cwd, str),           CSDK_FIELD(csdk_exec_args, env, pairs),
    CSDK_FIELD(csdk_exec_args, input, bytes),       CSDK_FIELD(csdk_exec_args, source, source),
    CSDK_FIELD(csdk_exec_args, timeout_ms, number), CSDK_FIELD(csdk_exec_args, options, options),
};

constexpr std::array kFsFields = {
    CSDK_FIELD(csdk_fs_args, flags, word),    CSDK_TARGET_FIELDS(csdk_fs_args),
    CSDK_FIELD(csdk_fs_args, path, str),      CSDK_FIELD(csdk_fs_args, to_path, str),
    CSDK_FIELD(csdk_fs_args, offset, number), CSDK_FIELD(csdk_fs_args, length, number),
    CSDK_FIELD(csdk_fs_args, mode, word),     CSDK_FIELD(csdk_fs_args, input, bytes),
    CSDK_FIELD(csdk_fs_args, source, source),
};

constexpr std::array kProcessStartFields = {
    CSDK_FIELD(csdk_process_start_args, flags, word),
    Field{offsetof(csdk_process_start_args, exec), nested, &kExecArgs},
    CSDK_FIELD(csdk_process_start_args, columns, word),
    CSDK_FIELD(csdk_process_start_args, rows, word),
    CSDK_FIELD(csdk_process_start_args, tag, str),
};

constexpr std::array kProcessArgFields = {
    CSDK_FIELD(csdk_process_args, flags, word),     CSDK_TARGET_FIELDS(csdk_process_args),
    CSDK_FIELD(csdk_process_args, process_id, str), CSDK_FIELD(csdk_process_args, input, bytes),
    CSDK_FIELD(csdk_process_args, signal, word),    CSDK_FIELD(csdk_process_args, columns, word),
    CSDK_FIELD(csdk_process_args, rows, word),      CSDK_FIELD(csdk_process_args, offset, number),
};

constexpr std::array kDialFields = {CSDK_FIELD(csdk_dial_args, flags, word), CSDK_TARGET_FIELDS(csdk_dial_args),
                                    CSDK_FIELD(csdk_dial_args, port, word), CSDK_FIELD(csdk_dial_args, source, source)};

constexpr std::array kSnapshotArgFields = {
    CSDK_FIELD(csdk_snapshot_args, flags, word), CSDK_TARGET_FIELDS(csdk_snapshot_args),
    CSDK_FIELD(csdk_snapshot_args, snapshot_id, str), CSDK_FIELD(csdk_snapshot_args, name, str),
    CSDK_FIELD(csdk_snapshot_args, metadata, pairs)};

constexpr std::array kTemplateArgFields = {
    CSDK_FIELD(csdk_template_args, flags, word), CSDK_FIELD(csdk_template_args, template_id, str),
    CSDK_FIELD(csdk_template_args, name, str), CSDK_FIELD(csdk_template_args, options, options)};

constexpr std::array kNamedFields = {
    CSDK_FIELD(csdk_named_args, flags, word), CSDK_FIELD(csdk_named_args, name_space, str),
    CSDK_FIELD(csdk_named_args, name, str), Field{offsetof(csdk_named_args, create), nested, &kCreateArgs}};

constexpr std::array kExtendFields = {CSDK_FIELD(csdk_extend_args, flags, word), CSDK_TARGET_FIELDS(csdk_extend_args),
                                      CSDK_FIELD(csdk_extend_args, duration_ms, number)};

constexpr std::array kVendorCallFields = {
    CSDK_FIELD(csdk_vendor_call_args, flags, word), CSDK_TARGET_FIELDS(csdk_vendor_call_args),
    CSDK_FIELD(csdk_vendor_call_args, operation, str), CSDK_FIELD(csdk_vendor_call_args, json, str)};

constexpr std::array kSandboxFields = {
    CSDK_FIELD(csdk_sandbox_info, flags, word),
    CSDK_FIELD(csdk_sandbox_info, id, str),
    CSDK_FIELD(csdk_sandbox_info, token, bytes),
    CSDK_FIELD(csdk_sandbox_info, name, str),
    CSDK_FIELD(csdk_sandbox_info, status, word),
    CSDK_FIELD(csdk_sandbox_info, network, word),
    CSDK_FIELD(csdk_sandbox_info, created_ms, number),
    CSDK_FIELD(csdk_sandbox_info, expires_ms, number),
    CSDK_FIELD(csdk_sandbox_info, cpu_milli, number),
    CSDK_FIELD(csdk_sandbox_info, memory_bytes, number),
    CSDK_FIELD(csdk_sandbox_info, disk_bytes, number),
    CSDK_FIELD(csdk_sandbox_info, process_limit, number),
    CSDK_FIELD(csdk_sandbox_info, template_id, str),
    CSDK_FIELD(csdk_sandbox_info, image, str),
    CSDK_FIELD(csdk_sandbox_info, working_directory, str),
    CSDK_FIELD(csdk_sandbox_info, isolation, str),
    CSDK_FIELD(csdk_sandbox_info, metadata, pairs),
    CSDK_FIELD(csdk_sandbox_info, limits, pairs),
    CSDK_FIELD(csdk_sandbox_info, notices, strs),
    CSDK_FIELD(csdk_sandbox_info, native_json, str),
};

constexpr std::array kEntryFields = {
    CSDK_FIELD(csdk_entry, flags, word),         CSDK_FIELD(csdk_entry, name, str),
    CSDK_FIELD(csdk_entry, path, str),           CSDK_FIELD(csdk_entry, type, word),
    CSDK_FIELD(csdk_entry, mode, word),          CSDK_FIELD(csdk_entry, size, number),
    CSDK_FIELD(csdk_entry, modified_ms, number), CSDK_FIELD(csdk_entry, owner, str),
    CSDK_FIELD(csdk_entry, group, str),          CSDK_FIELD(csdk_entry, link_target, str),
};

constexpr std::array kUrlFields = {CSDK_FIELD(csdk_url, flags, word), CSDK_FIELD(csdk_url, url, str),
                                   CSDK_FIELD(csdk_url, headers, pairs), CSDK_FIELD(csdk_url, expires_ms, number)};

constexpr std::array kProcessFields = {
    CSDK_FIELD(csdk_process, flags, word),        CSDK_FIELD(csdk_process, id, str),
    CSDK_FIELD(csdk_process, command, str),       CSDK_FIELD(csdk_process, tag, str),
    CSDK_FIELD(csdk_process, state, word),        CSDK_FIELD(csdk_process, exit_kind, word),
    CSDK_FIELD(csdk_process, exit_value, word),   CSDK_FIELD(csdk_process, pid, number),
    CSDK_FIELD(csdk_process, started_ms, number),
};

constexpr std::array kSnapshotFields = {
    CSDK_FIELD(csdk_snapshot, flags, word),        CSDK_FIELD(csdk_snapshot, id, str),
    CSDK_FIELD(csdk_snapshot, name, str),          CSDK_FIELD(csdk_snapshot, sandbox_id, str),
    CSDK_FIELD(csdk_snapshot, created_ms, number), CSDK_FIELD(csdk_snapshot, size_bytes, number),
    CSDK_FIELD(csdk_snapshot, metadata, pairs),
};

constexpr std::array kTemplateFields = {
    CSDK_FIELD(csdk_template, flags, word), CSDK_FIELD(csdk_template, id, str),
    CSDK_FIELD(csdk_template, name, str),   CSDK_FIELD(csdk_template, description, str),
    CSDK_FIELD(csdk_template, state, word), CSDK_FIELD(csdk_template, created_ms, number)};

constexpr std::array kProgressFields = {CSDK_FIELD(csdk_progress, flags, word), CSDK_FIELD(csdk_progress, phase, str),
                                        CSDK_FIELD(csdk_progress, message, str),
                                        CSDK_FIELD(csdk_progress, done, number),
                                        CSDK_FIELD(csdk_progress, total, number)};

constexpr std::array kExitFields = {CSDK_FIELD(csdk_exit, flags, word), CSDK_FIELD(csdk_exit, kind, word),
                                    CSDK_FIELD(csdk_exit, value, word)};

constexpr std::array kErrorFields = {
    CSDK_FIELD(csdk_error, flags, word),       CSDK_FIELD(csdk_error, error_class, word),
    CSDK_FIELD(csdk_error, http_status, word), CSDK_FIELD(csdk_error, retry_after_ms, number),
    CSDK_FIELD(csdk_error, message, str),      CSDK_FIELD(csdk_error, fix, str),
    CSDK_FIELD(csdk_error, vendor_code, str),  CSDK_FIELD(csdk_error, raw, str),
    CSDK_FIELD(csdk_error, request_id, str),
};

constexpr std::array kTokenFields = {CSDK_FIELD(TokenResult, token, bytes)};
constexpr std::array kJsonFields = {CSDK_FIELD(JsonResult, json, str)};

constexpr std::array<StructInfo, kResultKinds> kResults = {{
    CSDK_STRUCT(csdk_sandbox_info, kSandboxFields),
    CSDK_STRUCT(csdk_entry, kEntryFields),
    CSDK_STRUCT(csdk_url, kUrlFields),
    CSDK_STRUCT(csdk_process, kProcessFields),
    CSDK_STRUCT(csdk_snapshot, kSnapshotFields),
    CSDK_STRUCT(csdk_template, kTemplateFields),
    CSDK_STRUCT(csdk_progress, kProgressFields),
    CSDK_STRUCT(csdk_exit, kExitFields),
    CSDK_STRUCT(csdk_error, kErrorFields),
    CSDK_STRUCT(TokenResult, kTokenFields),
    CSDK_STRUCT(JsonResult, kJsonFields),
}};

template <typename T>
T* copyArray(const T* items, std::size_t count, std::pmr::memory_resource& arena) {
  if (items == nullptr || count == 0) return nullptr;
  auto* copy = static_cast<T*>(arena.allocate(count * sizeof(T), alignof(T)));
  std::memcpy(copy, items, count * sizeof(T));
  return copy;
}

void own(csdk_str& text, std::pmr::memory_resource& arena) {
  if (text.data == nullptr) text.size = 0;
  text.data = copyArray(text.data, text.size, arena);
}
void own(csdk_bytes& bytes, std::pmr::memory_resource& arena) {
  if (bytes.data == nullptr) bytes.size = 0;
  bytes.data = copyArray(bytes.data, bytes.size, arena);
}
void own(csdk_pair& pair, std::pmr::memory_resource& arena) {
  own(pair.key, arena);
  own(pair.value, arena);
}
void own(csdk_option& option, std::pmr::memory_resource& arena) {
  own(option.key, arena);
  own(option.s, arena);
}

template <typename List>
void ownList(List& list, std::pmr::memory_resource& arena) {
  if (list.items == nullptr) list.count = 0;
  auto* items = copyArray(list.items, list.count, arena);
  for (std::size_t i = 0; i < list.count; ++i) own(items[i], arena);
  list.items = items;
}

void ownField(void* base, const Field& field, std::pmr::memory_resource& arena) {
  switch (field.kind) {
    case word:
    case number:
    case source: return;
    case str: return own(*fieldOf<csdk_str>(base, field), arena);
    case bytes: return own(*fieldOf<csdk_bytes>(base, field), arena);
    case strs: return ownList(*fieldOf<csdk_strs>(base, field), arena);
    case pairs: return ownList(*fieldOf<csdk_pairs>(base, field), arena);
    case options: return ownList(*fieldOf<csdk_options>(base, field), arena);
    case ports: {
      auto* list = fieldOf<csdk_ports>(base, field);
      if (list->items == nullptr) list->count = 0;
      list->items = copyArray(list->items, list->count, arena);
      return;
    }
    case nested: {
      const void*& pointer = *fieldOf<const void*>(base, field);
      if (pointer != nullptr) pointer = deepCopy(*field.inner, pointer, arena);
      return;
    }
  }
}

}  // namespace

constinit const StructInfo kOpenArgs = CSDK_STRUCT(csdk_open_args, kOpenFields);
constinit const StructInfo kCreateArgs = CSDK_STRUCT(csdk_create_args, kCreateFields);
constinit const StructInfo kTargetArgs = CSDK_STRUCT(csdk_target_args, kTargetFields);
constinit const StructInfo kListArgs = CSDK_STRUCT(csdk_list_args, kListFields);
constinit const StructInfo kUrlArgs = CSDK_STRUCT(csdk_url_args, kUrlArgFields);
constinit const StructInfo kExecArgs = CSDK_STRUCT(csdk_exec_args, kExecFields);
constinit const StructInfo kFsArgs = CSDK_STRUCT(csdk_fs_args, kFsFields);
constinit const StructInfo kProcessStartArgs = CSDK_STRUCT(csdk_process_start_args, kProcessStartFields);
constinit const StructInfo kProcessArgs = CSDK_STRUCT(csdk_process_args, kProcessArgFields);
constinit const StructInfo kDialArgs = CSDK_STRUCT(csdk_dial_args, kDialFields);
constinit const StructInfo kSnapshotArgs = CSDK_STRUCT(csdk_snapshot_args, kSnapshotArgFields);
constinit const StructInfo kTemplateArgs = CSDK_STRUCT(csdk_template_args, kTemplateArgFields);
constinit const StructInfo kNamedArgs = CSDK_STRUCT(csdk_named_args, kNamedFields);
constinit const StructInfo kExtendArgs = CSDK_STRUCT(csdk_extend_args, kExtendFields);
constinit const StructInfo kVendorCallArgs = CSDK_STRUCT(csdk_vendor_call_args, kVendorCallFields);

const StructInfo& resultStruct(ResultKind kind) noexcept { return kResults[static_cast<std::size_t>(kind)]; }

void* deepCopy(const StructInfo& info, const void* from, std::pmr::memory_resource& arena) {
  void* copy = arena.allocate(info.size, alignof(std::max_align_t));
  std::memcpy(copy, from, info.size);
  for (const Field& field : info.fields) ownField(copy, field, arena);
  return copy;
}

std::size_t payloadSize(const StructInfo& info, const void* value) noexcept {
  std::size_t bytes = info.size;
  for (const Field& field : info.fields) {
    if (field.kind == str || field.kind == FieldKind::bytes) bytes += view(*fieldOf<csdk_str>(value, field)).size();
    if (field.kind != pairs) continue;
    const auto* list = fieldOf<csdk_pairs>(value, field);
    for (std::size_t i = 0; list->items != nullptr && i < list->count; ++i) {
      bytes += view(list->items[i].key).size() + view(list->items[i].value).size();
    }
  }
  return bytes;
}

}  // namespace computesdk::registry::host

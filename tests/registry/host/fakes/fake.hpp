#pragma once

#include <computesdk/plugin.h>

#include <cstring>
#include <string>
#include <string_view>

// Small helpers of the fake plug-in.

struct csdk_provider {
  const csdk_host* host;
  std::string apiKey;
  std::string closeNote{};  ///< a file to make when the provider is closed
};

inline std::string_view view(csdk_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
inline std::string_view view(csdk_bytes bytes) {
  return bytes.data == nullptr ? std::string_view{}
                               : std::string_view{reinterpret_cast<const char*>(bytes.data), bytes.size};
}
inline csdk_str str(std::string_view text) { return {text.data(), text.size()}; }
inline csdk_bytes bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

inline csdk_status failWith(csdk_provider* p, csdk_call call, csdk_status status, std::string_view message,
                            uint32_t errorClass = CSDK_ERROR_PLAIN, uint32_t flags = 0) {
  csdk_error error{};
  error.struct_size = sizeof error;
  error.flags = flags;
  error.error_class = errorClass;
  error.retry_after_ms = errorClass == CSDK_ERROR_RATE_LIMIT ? 1500 : 0;
  error.message = str(message);
  error.vendor_code = str("fake_code");
  error.request_id = str("req-1");
  p->host->fail(p->host, call, &error);
  return status;
}

inline csdk_status put(csdk_provider* p, csdk_call call, std::string_view text, uint32_t stream = CSDK_STREAM_STDOUT) {
  return p->host->write(p->host, call, stream, bytes(text));
}

inline csdk_status exitWith(csdk_provider* p, csdk_call call, int32_t code) {
  csdk_exit exit{};
  exit.struct_size = sizeof exit;
  exit.kind = CSDK_EXIT_CODE;
  exit.value = code;
  p->host->exit(p->host, call, &exit);
  return CSDK_OK;
}

inline csdk_status emitSandbox(csdk_provider* p, csdk_call call, std::string_view id, uint32_t status,
                               std::string_view token = "token-of-the-sandbox") {
  const csdk_pair metadata[] = {{str("colour"), str("blue")}};
  const csdk_str notices[] = {str("a notice")};
  csdk_sandbox_info info{};
  info.struct_size = sizeof info;
  info.id = str(id);
  info.token = bytes(token);
  info.status = status;
  info.network = CSDK_NETWORK_NONE;
  info.expires_ms = -1;
  info.memory_bytes = 1 << 20;
  info.metadata = {metadata, 1};
  info.notices = {notices, 1};
  return p->host->emit_sandbox(p->host, call, &info);
}

/// Runs the command that exec was given; the fake's behaviours are its commands.
csdk_status fakeExec(csdk_provider* p, csdk_call call, const csdk_exec_args* args);
const void* fakeExtension(csdk_str id);

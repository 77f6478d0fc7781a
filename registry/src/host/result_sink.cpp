#include "result_sink.hpp"

namespace computesdk::registry::host {
namespace {

OutputStream toStream(std::uint32_t stream) noexcept {
  switch (stream) {
    case CSDK_STREAM_STDERR: return OutputStream::standardError;
    case CSDK_STREAM_DATA: return OutputStream::data;
    case CSDK_STREAM_END: return OutputStream::end;
    default: return OutputStream::standardOutput;
  }
}

template <typename T>
const T& as(const void* value) noexcept {
  return *static_cast<const T*>(value);
}

}  // namespace

void ResultSink::output(std::uint32_t stream, std::span<const std::byte> data) {
  if (outputFunction != nullptr && *outputFunction) (*outputFunction)(toStream(stream), data);
}

csdk_status ResultSink::takeSandbox(const csdk_sandbox_info& info) {
  if (eachSandbox != nullptr) {
    if (!stopped && !(*eachSandbox)(toRecord(info, provider_))) stopped = true;
    return stopped ? CSDK_CANCELLED : CSDK_OK;
  }
  if (!wantsSandbox) return CSDK_OK;
  // A later push without a token does not take the earlier one away.
  std::string token = sandbox ? std::move(sandbox->token) : std::string();
  sandbox = toRecord(info, provider_);
  if (sandbox->token.empty()) sandbox->token = std::move(token);
  if (reportsBegun && info.status == CSDK_SANDBOX_STARTING && context_.onSandboxBegun)
    context_.onSandboxBegun(*sandbox);
  return CSDK_OK;
}

csdk_status ResultSink::result(ResultKind kind, const void* value) {
  switch (kind) {
    case ResultKind::sandbox: return takeSandbox(as<csdk_sandbox_info>(value));
    case ResultKind::entry:
      if (entries != nullptr) {
        entries->push_back(toEntry(as<csdk_entry>(value)));
      } else {
        entry = toEntry(as<csdk_entry>(value));
      }
      return CSDK_OK;
    case ResultKind::url: url = toUrl(as<csdk_url>(value)); return CSDK_OK;
    case ResultKind::process:
      if (processes != nullptr) {
        processes->push_back(toProcess(as<csdk_process>(value)));
      } else {
        process = toProcess(as<csdk_process>(value));
      }
      return CSDK_OK;
    case ResultKind::snapshot:
      if (snapshots != nullptr) {
        snapshots->push_back(toSnapshot(as<csdk_snapshot>(value)));
      } else {
        snapshot = toSnapshot(as<csdk_snapshot>(value));
      }
      return CSDK_OK;
    case ResultKind::item:
      if (templates != nullptr) templates->push_back(toTemplate(as<csdk_template>(value)));
      return CSDK_OK;
    case ResultKind::progress:
      if (context_.onProgress) context_.onProgress(toProgress(as<csdk_progress>(value)));
      return CSDK_OK;
    case ResultKind::exit: {
      const auto& ended = as<csdk_exit>(value);
      exit = toExit(ended.kind, ended.value, ended.flags);
      return CSDK_OK;
    }
    case ResultKind::token:
      if (context_.onToken && (tokenIsNewest == nullptr || (*tokenIsNewest)())) {
        context_.onToken(view(as<TokenResult>(value).token));
      }
      return CSDK_OK;
    case ResultKind::json: json = std::string(view(as<JsonResult>(value).json)); return CSDK_OK;
    case ResultKind::error: return CSDK_OK;
  }
  return CSDK_INVALID_ARGUMENT;
}

}  // namespace computesdk::registry::host

#pragma once

#include "convert.hpp"
#include "engine.hpp"

#include <optional>
#include <string>
#include <vector>

namespace computesdk::registry::host {

/// Turns what one call pushes into the values that its caller waits for. Only what is asked for is kept.
class ResultSink final : public CallSink {
 public:
  ResultSink(std::string_view provider, const CallContext& context) : provider_(provider), context_(context) {}

  // What the caller wants, set before the call.
  const OutputFunction* outputFunction = nullptr;
  const std::function<bool(SandboxRecord)>* eachSandbox = nullptr;
  bool wantsSandbox = false;
  bool reportsBegun = false;
  std::vector<FileEntry>* entries = nullptr;
  std::vector<ProcessInfo>* processes = nullptr;
  std::vector<SnapshotInfo>* snapshots = nullptr;
  std::vector<TemplateInfo>* templates = nullptr;
  /// Says whether no later call of the sandbox has given a token already. Null: always so.
  const std::function<bool()>* tokenIsNewest = nullptr;

  // What came.
  std::optional<SandboxRecord> sandbox;
  std::optional<FileEntry> entry;
  std::optional<PortUrl> url;
  std::optional<ProcessInfo> process;
  std::optional<SnapshotInfo> snapshot;
  std::optional<std::string> json;
  std::optional<ExitStatus> exit;
  bool stopped = false;  ///< eachSandbox has had enough

  void output(std::uint32_t stream, std::span<const std::byte> data) override;
  csdk_status result(ResultKind kind, const void* value) override;

 private:
  csdk_status takeSandbox(const csdk_sandbox_info& info);

  std::string_view provider_;
  const CallContext& context_;
};

}  // namespace computesdk::registry::host

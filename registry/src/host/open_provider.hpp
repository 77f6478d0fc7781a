#pragma once

#include "engine.hpp"
#include "errors.hpp"
#include "result_sink.hpp"
#include "token_order.hpp"

#include <computesdk/registry/loader.hpp>
#include <computesdk/registry/provider.hpp>

#include <atomic>
#include <memory>
#include <string>

namespace computesdk::registry::host {

/// A backend with what an opened provider must know of it.
class ProviderBackend : public Backend {
 public:
  /// Ends the provider; no call is running.
  virtual void close() = 0;
};

struct OpenedBackend {
  std::unique_ptr<ProviderBackend> backend;
  EngineOptions engine;
  std::uint64_t present = 0;  ///< bit per Op
  std::uint32_t extendMeaning = 0;
  std::string_view placement;  ///< a literal
};

/// A provider over the engine: fills the ABI's structs with views of the request, and gives back what was pushed.
class OpenProvider final : public Provider {
 public:
  OpenProvider(std::shared_ptr<const Manifest> manifest, HostContext& host, OpenedBackend opened);
  ~OpenProvider() override;

  [[nodiscard]] PluginHealth health() const noexcept;

  [[nodiscard]] const Manifest& manifest() const override { return *manifest_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const ProviderFeatures& features() const override { return features_; }
  [[nodiscard]] std::string_view placement() const override { return placement_; }

  Result<SandboxRecord> create(const CreateRequest& request, const CallContext& context) override;
  Result<SandboxRecord> inspect(const Target& target, const CallContext& context) override;
  Result<SandboxRecord> attach(const Target& target, const CallContext& context) override;
  Result<void> list(std::int64_t limit, const StringMap& metadata, const std::function<bool(SandboxRecord)>& each,
                    const CallContext& context) override;
  Result<void> destroy(const Target& target, const CallContext& context) override;
  Result<void> release(const Target& target, const CallContext& context) override;
  Result<PortUrl> url(const Target& target, std::uint16_t port, std::string_view protocol,
                      const CallContext& context) override;
  Result<ExitStatus> exec(const Target& target, const ExecRequest& request, const OutputFunction& output,
                          const CallContext& context) override;

  Result<void> fsRead(const Target& target, std::string_view path, std::int64_t offset, std::int64_t length,
                      const OutputFunction& output, const CallContext& context) override;
  Result<void> fsWrite(const Target& target, const FileWrite& write, const CallContext& context) override;
  Result<std::vector<FileEntry>> fsList(const Target& target, std::string_view path,
                                        const CallContext& context) override;
  Result<FileEntry> fsStat(const Target& target, std::string_view path, bool followSymlinks,
                           const CallContext& context) override;
  Result<void> fsMkdir(const Target& target, std::string_view path, bool parents, std::uint32_t mode,
                       const CallContext& context) override;
  Result<void> fsRemove(const Target& target, std::string_view path, bool recursive,
                        const CallContext& context) override;
  Result<void> fsRename(const Target& target, std::string_view from, std::string_view to,
                        const CallContext& context) override;

  Result<ProcessInfo> processStart(const Target& target, const ProcessStart& start,
                                   const CallContext& context) override;
  Result<std::vector<ProcessInfo>> processList(const Target& target, const CallContext& context) override;
  Result<ExitStatus> processAttach(const Target& target, std::string_view id, const ProcessAttach& attach,
                                   const OutputFunction& output, const CallContext& context) override;
  Result<ExitStatus> processWait(const Target& target, std::string_view id, const CallContext& context) override;
  Result<void> processWrite(const Target& target, std::string_view id, std::span<const std::byte> bytes, bool eof,
                            const CallContext& context) override;
  Result<void> processSignal(const Target& target, std::string_view id, int signal, bool group,
                             const CallContext& context) override;
  Result<void> processResize(const Target& target, std::string_view id, std::uint32_t columns, std::uint32_t rows,
                             const CallContext& context) override;

  Result<void> dial(const Target& target, std::uint16_t port, InputSource& input, const OutputFunction& output,
                    const CallContext& context) override;

  Result<SandboxRecord> extend(const Target& target, std::chrono::milliseconds duration,
                               const CallContext& context) override;
  Result<SandboxRecord> pause(const Target& target, const CallContext& context) override;
  Result<SandboxRecord> resume(const Target& target, const CallContext& context) override;

  Result<SnapshotInfo> snapshotCreate(const Target& target, std::string_view name, const StringMap& metadata,
                                      const CallContext& context) override;
  Result<std::vector<SnapshotInfo>> snapshotList(std::string_view sandboxId, const CallContext& context) override;
  Result<void> snapshotRemove(std::string_view id, const CallContext& context) override;

  Result<std::vector<TemplateInfo>> templateList(const CallContext& context) override;

  Result<std::optional<SandboxRecord>> namedFind(std::string_view nameSpace, std::string_view name,
                                                 const CallContext& context) override;
  Result<SandboxRecord> namedFindOrCreate(std::string_view nameSpace, std::string_view name,
                                          const CreateRequest& request, const CallContext& context) override;

  Result<std::string> vendorCall(const Target& target, std::string_view operation, std::string_view json,
                                 const CallContext& context) override;

 private:
  /// What of a call its error needs.
  struct Ask {
    Op op;
    const Target* target = nullptr;
    std::string_view label{};
    InputSource* input = nullptr;
  };

  /// Runs a call; an error unless it ended well.
  Result<void> run(const Ask& ask, void* args, ResultSink& sink, const CallContext& context);
  [[nodiscard]] CallSubject subjectOf(const Ask& ask) const;
  Result<SandboxRecord> sandboxCall(const Ask& ask, void* args, const CallContext& context, bool begun = false);
  Result<void> filesCall(const Ask& ask, csdk_fs_args& args, const CallContext& context);
  Result<ExitStatus> exitCall(const Ask& ask, void* args, const OutputFunction* output, const CallContext& context);
  Result<void> processCall(const Ask& ask, csdk_process_args& args, const CallContext& context);

  const std::shared_ptr<const Manifest> manifest_;
  const std::string name_;
  HostContext& host_;
  const std::uint64_t present_;
  const ProviderFeatures features_;
  const std::string_view placement_;
  std::unique_ptr<ProviderBackend> backend_;
  std::unique_ptr<Engine> engine_;
  TokenOrder tokens_;
};

}  // namespace computesdk::registry::host

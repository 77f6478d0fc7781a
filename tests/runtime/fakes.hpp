#pragma once

#include <computesdk/computesdk.hpp>
#include <computesdk/registry/manifest.hpp>
#include <computesdk/registry/provider.hpp>
#include <computesdk/registry/registry.hpp>

#include "core/seams.hpp"
#include "named/named_store.hpp"

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

// Stand-ins for providers, the registry and the store, and folders that vanish.
namespace computesdk::test {

/// A folder below the build's temporary folder, removed with all its contents.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

ErrorInfo failure(ErrorCode code, std::string why);

/// A provider whose sandboxes are entries of a map and whose commands are processes of this machine. Every operation
/// can be made to fail; every operation is written down. Thread-safe.
class FakeProvider : public registry::Provider {
 public:
  struct Box {
    registry::SandboxRecord record;
    bool stopped = false;
  };

  explicit FakeProvider(std::string name);

  /// "destroy sb_1", … in order.
  [[nodiscard]] std::vector<std::string> calls() const;
  [[nodiscard]] std::size_t count(std::string_view prefix) const;
  [[nodiscard]] std::map<std::string, Box> boxes() const;
  void put(Box box);
  void stop(const std::string& id);

  // Set before use; read without a lock.
  registry::ProviderFeatures has;
  /// Asked first by every operation ("create", "exec", …); an answer is its failure.
  std::function<std::optional<ErrorInfo>(std::string_view operation, const registry::CallContext&)> fail;
  /// Instead of a real process.
  std::function<Result<ExitStatus>(const registry::Target&, const registry::ExecRequest&,
                                   const registry::OutputFunction&, const registry::CallContext&)>
      onExec;
  std::function<void(const registry::CreateRequest&, const registry::CallContext&)> onCreate;

  [[nodiscard]] const registry::Manifest& manifest() const override { return manifest_; }
  [[nodiscard]] const std::string& name() const override { return manifest_.name; }
  [[nodiscard]] const registry::ProviderFeatures& features() const override { return has; }
  [[nodiscard]] std::string_view placement() const override { return "in-process"; }

  using Target = registry::Target;
  using CallContext = registry::CallContext;
  using SandboxRecord = registry::SandboxRecord;
  using OutputFunction = registry::OutputFunction;
  Result<SandboxRecord> create(const registry::CreateRequest& request, const CallContext& context) override;
  Result<SandboxRecord> inspect(const Target& target, const CallContext& context) override;
  Result<SandboxRecord> attach(const Target& target, const CallContext& context) override;
  Result<void> list(std::int64_t limit, const StringMap& metadata, const std::function<bool(SandboxRecord)>& each,
                    const CallContext& context) override;
  Result<void> destroy(const Target& target, const CallContext& context) override;
  Result<void> release(const Target& target, const CallContext& context) override;
  Result<PortUrl> url(const Target& target, std::uint16_t port, std::string_view protocol,
                      const CallContext& context) override;
  Result<ExitStatus> exec(const Target& target, const registry::ExecRequest& request, const OutputFunction& output,
                          const CallContext& context) override;
  Result<void> fsRead(const Target& target, std::string_view path, std::int64_t offset, std::int64_t length,
                      const OutputFunction& output, const CallContext& context) override;
  Result<void> fsWrite(const Target& target, const registry::FileWrite& write, const CallContext& context) override;
  Result<std::vector<FileEntry>> fsList(const Target& target, std::string_view path,
                                        const CallContext& context) override;
  Result<FileEntry> fsStat(const Target& target, std::string_view path, bool follow,
                           const CallContext& context) override;
  Result<void> fsMkdir(const Target& target, std::string_view path, bool parents, std::uint32_t mode,
                       const CallContext& context) override;
  Result<void> fsRemove(const Target& target, std::string_view path, bool recursive,
                        const CallContext& context) override;
  Result<void> fsRename(const Target& target, std::string_view from, std::string_view to,
                        const CallContext& context) override;
  Result<ProcessInfo> processStart(const Target& target, const registry::ProcessStart& start,
                                   const CallContext& context) override;
  Result<std::vector<ProcessInfo>> processList(const Target& target, const CallContext& context) override;
  Result<ExitStatus> processAttach(const Target& target, std::string_view id, const registry::ProcessAttach& attach,
                                   const OutputFunction& output, const CallContext& context) override;
  Result<ExitStatus> processWait(const Target& target, std::string_view id, const CallContext& context) override;
  Result<void> processWrite(const Target& target, std::string_view id, std::span<const std::byte> bytes, bool eof,
                            const CallContext& context) override;
  Result<void> processSignal(const Target& target, std::string_view id, int signal, bool group,
                             const CallContext& context) override;
  Result<void> processResize(const Target& target, std::string_view id, std::uint32_t columns, std::uint32_t rows,
                             const CallContext& context) override;
  Result<void> dial(const Target& target, std::uint16_t port, registry::InputSource& input,
                    const OutputFunction& output, const CallContext& context) override;
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
                                          const registry::CreateRequest& request, const CallContext& context) override;
  Result<std::string> vendorCall(const Target& target, std::string_view operation, std::string_view json,
                                 const CallContext& context) override;

  registry::Manifest manifest_;

 protected:
  std::optional<ErrorInfo> begin(std::string_view operation, std::string_view detail, const CallContext& context);
  Result<Box> boxOf(const Target& target);

  mutable std::mutex mutex_;
  std::map<std::string, Box> boxes_;
  std::vector<std::string> calls_;
  int number_ = 0;
  std::map<std::string, std::string> inputs_;  ///< of processes
  std::map<std::string, int> signals_;
  std::set<std::string> closed_;
  std::condition_variable_any changed_;
};

/// A registry of fakes. `detection` is what detect answers without a name.
class FakeRegistry : public registry::Registry {
 public:
  void add(std::shared_ptr<FakeProvider> provider);
  registry::Detection detection;

  [[nodiscard]] std::vector<SearchFolder> searchPath() const override { return {{"/somewhere", "product", ""}}; }
  [[nodiscard]] std::vector<std::shared_ptr<const registry::Manifest>> manifests() const override;
  [[nodiscard]] std::shared_ptr<const registry::Manifest> manifest(std::string_view name) const override;
  [[nodiscard]] registry::Detection detect(std::optional<std::string_view> name) const override;
  Result<std::shared_ptr<registry::Provider>> openProvider(std::string_view name,
                                                           const registry::OpenOptions& options) override;
  Result<void> trust(const std::filesystem::path&) override { return {}; }

  std::map<std::string, OptionMap> opened;  ///< configuration by provider
  std::map<std::string, ErrorInfo> broken;  ///< what opening these providers fails with

 private:
  std::map<std::string, std::shared_ptr<FakeProvider>> providers_;
};

/// Names in memory.
class FakeStore : public detail::NamedStore {
 public:
  Result<std::optional<std::string>> get(const std::string& key) override;
  Result<Entries> list(const std::string& prefix) override;
  Result<bool> claim(const std::string& key, const std::string& owner, std::int64_t now, std::int64_t until) override;
  Result<bool> apply(std::span<const detail::StoreStep> steps) override;

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> entries_;
  std::map<std::string, std::pair<std::string, std::int64_t>> claims_;
};

Compute computeOver(detail::Seams seams);

/// A Compute over fakes, with its state in a folder of its own.
struct World {
  explicit World(const std::vector<std::string>& names = {"one"});
  FakeProvider& operator[](const std::string& name) { return *providers.at(name); }
  Compute compute();
  Compute compute(ComputeConfig config);

  TempFolder folder;
  std::shared_ptr<FakeRegistry> registry = std::make_shared<FakeRegistry>();
  std::shared_ptr<FakeStore> store = std::make_shared<FakeStore>();
  std::map<std::string, std::shared_ptr<FakeProvider>> providers;
  detail::Seams seams;
  std::mutex logMutex;
  std::vector<std::string> log;
};

}  // namespace computesdk::test

#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/sandbox.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class ComputeState;
}

/// What a new sandbox shall be. A limit of 0 and an empty text mean the provider's default.
struct CreateOptions {
  std::optional<std::chrono::milliseconds> timeout = {};  ///< lifetime; nothing: the provider's default; 0: no end
  std::string templateId = {};
  StringMap metadata = {};
  StringMap envs = {};          ///< of every command
  std::string name = {};        ///< registers it under namespace_ and name, for find; it then outlives the handle
  std::string namespace_ = {};  ///< empty: "default"
  std::string runtime = {};     ///< "node", "python", …: also runCode's default language
  std::string directory = {};   ///< working directory
  std::string image = {};
  std::string snapshotId = {};
  std::string provider = {};                           ///< this one, whatever is configured
  std::vector<std::uint16_t> ports = {};               ///< that getUrl will be asked for
  NetworkMode network = NetworkMode::providerDefault;  ///< a mode that is given is met or refused
  std::int64_t cpuMilli = 0;                           ///< 1000 = one core
  std::int64_t memoryBytes = 0;
  std::int64_t diskBytes = 0;
  std::int64_t processLimit = 0;
  bool requireHardLimits = false;  ///< refuse rather than enforce a limit softly
  bool isolationNone = false;      ///< run without isolation, knowingly
  bool keep = false;               ///< the handle does not own it
  bool dieWithHost = false;        ///< one-shot: ends with this program, is never remembered on disk
  OptionMap options = {};          ///< the vendor's own
  std::function<void(const Progress&)> onProgress = {};         ///< runs on a runtime thread; must not block
  std::optional<std::chrono::milliseconds> createTimeout = {};  ///< give up after; nothing: 15 min
  std::stop_token stop = {};                                    ///< destroys what was begun
};

struct FindOptions {
  std::string name = {};
  std::string namespace_ = {};  ///< empty: "default"
  std::string provider = {};    ///< only if it lives there
  std::stop_token stop = {};
};

struct LookupOptions {
  std::string provider = {};  ///< empty: remembered, else the configured ones are asked
  std::stop_token stop = {};
};

struct ListOptions {
  std::string provider = {};  ///< empty: all configured ones
  StringMap metadata = {};    ///< only those that carry all of these
  std::size_t limit = 0;      ///< 0: all
  std::stop_token stop = {};
};

/// Sandboxes as a whole: compute.sandbox(). A small value that shares the Compute's state; copy it freely. Thread-safe.
class COMPUTESDK_API SandboxManager {
 public:
  /// Makes a sandbox on the configured provider; with several, by the configured strategy. The handle owns it, unless
  /// `name` or `keep` is given. E_NOT_CONFIGURED when no provider can be used; otherwise what the providers say, one
  /// line for each that was tried.
  Sandbox create(const CreateOptions& o = {}) { return create(nothrow, o).value(); }
  Result<Sandbox> create(Nothrow, const CreateOptions& options = {});

  /// Finds a sandbox by its id, also one of another program. Nothing when there is none. Does not wake or extend it.
  std::optional<Sandbox> getById(std::string_view id, const LookupOptions& o = {}) {
    return getById(nothrow, id, o).value();
  }
  Result<std::optional<Sandbox>> getById(Nothrow, std::string_view id, const LookupOptions& options = {});

  /// What the providers know of, by provider. E_UNSUPPORTED when none of them can list.
  std::vector<SandboxInfo> list(const ListOptions& o = {}) { return list(nothrow, o).value(); }
  Result<std::vector<SandboxInfo>> list(Nothrow, const ListOptions& options = {});

  /// Ends a sandbox for good. One that is gone is a success.
  void destroy(std::string_view id, const LookupOptions& o = {}) { destroy(nothrow, id, o).value(); }
  Result<void> destroy(Nothrow, std::string_view id, const LookupOptions& options = {});

  /// The sandbox of that name; made, with these options, if there is none. Any number of programs that ask at once get
  /// the same one. E_INVALID_ARGUMENT without a name.
  Sandbox findOrCreate(const CreateOptions& o) { return findOrCreate(nothrow, o).value(); }
  Result<Sandbox> findOrCreate(Nothrow, const CreateOptions& options);

  /// The sandbox of that name. Nothing when there is none, or it has ended.
  std::optional<Sandbox> find(const FindOptions& o) { return find(nothrow, o).value(); }
  Result<std::optional<Sandbox>> find(Nothrow, const FindOptions& options);

  SandboxInfo extendTimeout(std::string_view id, std::chrono::milliseconds duration = std::chrono::minutes(15),
                            const LookupOptions& o = {}) {
    return extendTimeout(nothrow, id, duration, o).value();
  }
  Result<SandboxInfo> extendTimeout(Nothrow, std::string_view id,
                                    std::chrono::milliseconds duration = std::chrono::minutes(15),
                                    const LookupOptions& options = {});

  /// Destroys sandboxes that a destructor could not destroy, or whose maker died while making them. Returns their ids.
  std::vector<std::string> reap(std::stop_token stop = {}) { return reap(nothrow, std::move(stop)).value(); }
  Result<std::vector<std::string>> reap(Nothrow, std::stop_token stop = {});

 private:
  friend class Compute;
  explicit SandboxManager(std::shared_ptr<detail::ComputeState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::ComputeState> state_;
};

}  // namespace computesdk

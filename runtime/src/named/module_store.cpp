#include "memory/private_folder.hpp"
#include "named/named_store.hpp"
#include "named/store_table.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mutex>

// The store of names behind the module's C table.
namespace computesdk::detail {
namespace {

constexpr const char* kModule = "libcomputesdk-store.so";

ErrorInfo storeError(std::string what, std::string why, std::string fix = {}) {
  ErrorInfo error;
  error.code = ErrorCode::store;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

constexpr const char* kStoreFix =
    "see that the file and its folder can be written by you, and that the disk is not full";

/// What to do about `why`, SQLite's words or the system's.
std::string cureFor(const std::string& why, const std::string& file) {
  if (why.find("not a database") == why.npos && why.find("malformed") == why.npos) return kStoreFix;
  return "move it away: mv " + file + " " + file +
         ".damaged; names are given anew then, and sandboxes that had one live on";
}

/// The folder of the library or program that holds this code; empty when it cannot be told.
std::filesystem::path ownFolder() {
  Dl_info info{};
  static const char anchor = 0;
  char resolved[PATH_MAX];
  // A program is known by the name that it was started with, which may be relative to another folder by now.
  if (::dladdr(&anchor, &info) != 0 && info.dli_fname != nullptr && std::strchr(info.dli_fname, '/') != nullptr &&
      info.dli_fname[0] == '/' && ::realpath(info.dli_fname, resolved) != nullptr) {
    return std::filesystem::path(resolved).parent_path();
  }
  const ssize_t size = ::readlink("/proc/self/exe", resolved, sizeof resolved);
  if (size <= 0 || static_cast<std::size_t>(size) == sizeof resolved) return {};
  return std::filesystem::path(std::string(resolved, static_cast<std::size_t>(size))).parent_path();
}

/// The table, opened once a process and never closed.
Result<const csdk_store_table*> moduleTable() {
  static std::mutex mutex;
  static const csdk_store_table* table = nullptr;
  std::lock_guard lock(mutex);
  if (table != nullptr) return table;
  const std::filesystem::path file = ownFolder().parent_path() / "lib/computesdk/modules" / kModule;
  constexpr std::string_view kWhat = "cannot open the store of named sandboxes";
  constexpr std::string_view kFix = "install the whole product; the module belongs to it";
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return storeError(std::string(kWhat), ::dlerror(), std::string(kFix));
  auto entry = reinterpret_cast<csdk_store_table_fn>(::dlsym(library, CSDK_STORE_SYMBOL));
  const csdk_store_table* found = entry != nullptr ? entry() : nullptr;
  if (found == nullptr || found->version != CSDK_STORE_VERSION || found->size != sizeof(csdk_store_table)) {
    return storeError(std::string(kWhat), file.string() + " is of another version", std::string(kFix));
  }
  table = found;
  return table;
}

csdk_store_text lend(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(csdk_store_text text) { return {text.data, text.size}; }

/// Collects what the module says when it fails.
struct Failure {
  std::string why;
  csdk_store_fail sink() {
    return {this, [](void* ctx, csdk_store_text text) { static_cast<Failure*>(ctx)->why = view(text); }};
  }
};

class ModuleStore : public NamedStore {
 public:
  ModuleStore(const csdk_store_table& table, csdk_store* store, std::string file)
      : table_(table), store_(store), file_(std::move(file)) {}
  ModuleStore(const ModuleStore&) = delete;
  ModuleStore& operator=(const ModuleStore&) = delete;
  ~ModuleStore() override { table_.close(store_); }

  Result<std::optional<std::string>> get(const std::string& key) override {
    std::optional<std::string> value;
    Failure failure;
    auto found = [](void* ctx, csdk_store_text text) {
      static_cast<std::optional<std::string>*>(ctx)->emplace(view(text));
    };
    if (table_.get(store_, lend(key), &value, found, failure.sink()) < 0) return error(failure);
    return value;
  }

  Result<Entries> list(const std::string& prefix) override {
    Entries entries;
    Failure failure;
    auto each = [](void* ctx, csdk_store_text key, csdk_store_text value) {
      static_cast<Entries*>(ctx)->emplace_back(view(key), view(value));
    };
    if (table_.list(store_, lend(prefix), &entries, each, failure.sink()) < 0) return error(failure);
    return entries;
  }

  Result<bool> claim(const std::string& key, const std::string& owner, std::int64_t now, std::int64_t until) override {
    Failure failure;
    const auto status = table_.claim(store_, lend(key), lend(owner), now, until, failure.sink());
    if (status < 0) return error(failure);
    return status == 0;
  }

  Result<bool> apply(std::span<const StoreStep> steps) override {
    std::vector<csdk_store_step> lent;
    lent.reserve(steps.size());
    for (const StoreStep& step : steps) {
      lent.push_back({static_cast<std::int32_t>(step.kind), lend(step.key), lend(step.value)});
    }
    Failure failure;
    const auto status = table_.apply(store_, lent.data(), lent.size(), failure.sink());
    if (status < 0) return error(failure);
    return status == 0;
  }

 private:
  [[nodiscard]] ErrorInfo error(const Failure& failure) const {
    return storeError("cannot use the store of named sandboxes " + file_, failure.why, cureFor(failure.why, file_));
  }
  const csdk_store_table& table_;
  csdk_store* const store_;
  const std::string file_;
};

}  // namespace

Result<std::shared_ptr<NamedStore>> openModuleStore(const std::filesystem::path& file) {
  if (!file.is_absolute()) {
    return storeError("cannot keep names of sandboxes", "no home folder is known", "set XDG_STATE_HOME to a folder");
  }
  auto table = moduleTable();
  if (!table) return std::move(table).error();
  if (auto made = makePrivateFolder(file.parent_path(), "cannot keep names of sandboxes"); !made) {
    return std::move(made).error();
  }
  csdk_store* store = nullptr;
  Failure failure;
  if ((*table)->open(file.c_str(), &store, failure.sink()) != 0) {
    return storeError("cannot open the store of named sandboxes " + file.string(), failure.why,
                      cureFor(failure.why, file.string()));
  }
  return std::shared_ptr<NamedStore>(std::make_shared<ModuleStore>(**table, store, file.string()));
}

}  // namespace computesdk::detail

#include "net/module.hpp"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>

namespace computesdk::registry::net {
namespace {

constexpr const char* kFile = "libcomputesdk-net.so";

/// Where the modules of the running library, or of the program when this code is linked into it, are.
std::filesystem::path modules() {
  Dl_info info{};
  void* map = nullptr;
  std::string name;
  if (::dladdr1(reinterpret_cast<void*>(&modules), &info, &map, RTLD_DL_LINKMAP) != 0 && map != nullptr) {
    const char* path = static_cast<const link_map*>(map)->l_name;
    if (path != nullptr) name = path;
  }
  if (name.empty()) name = "/proc/self/exe";  // the program itself has no name in the link map
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(name.c_str(), nullptr), &std::free);
  if (name.front() != '/' || !real) return {};
  return std::filesystem::path(real.get()).parent_path().parent_path() / "lib/computesdk/modules";
}

const csdk_net_table* openModule(std::string& problem) {
  const std::filesystem::path folder = modules();
  if (folder.empty()) {
    problem = "the HTTP client cannot be found: the product's own folder is not known";
    return nullptr;
  }
  const std::filesystem::path file = folder / kFile;
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    problem = std::string("the HTTP client cannot be opened: ") + (why == nullptr ? "" : why);
    return nullptr;
  }
  const auto entry = reinterpret_cast<csdk_net_table_fn>(::dlsym(library, CSDK_NET_SYMBOL));
  const csdk_net_table* table = entry == nullptr ? nullptr : entry();
  if (table != nullptr && table->version == CSDK_NET_VERSION) return table;
  problem = file.string() + " is of another version of the product";
  return nullptr;
}

}  // namespace

const csdk_net_table* netModule(std::string& problem) {
  static std::mutex mutex;
  static const csdk_net_table* table = nullptr;
  std::lock_guard lock(mutex);
  if (table == nullptr) table = openModule(problem);
  return table;
}

}  // namespace computesdk::registry::net

#include "search/product.hpp"

#include "trust/ownership.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace computesdk::registry {
namespace {

/// The object that holds this function: the program when the code is linked into it, else the library.
std::filesystem::path thisObject() {
  Dl_info info{};
  void* map = nullptr;
  std::string name;
  if (::dladdr1(reinterpret_cast<void*>(&thisObject), &info, &map, RTLD_DL_LINKMAP) != 0 && map != nullptr) {
    const char* path = static_cast<const link_map*>(map)->l_name;
    if (path != nullptr) name = path;
  }
  if (name.empty()) name = "/proc/self/exe";  // the program itself has no name in the link map
  if (name.front() != '/') return {};         // loaded by a relative path: it would mean the working directory
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(name.c_str(), nullptr), &std::free);
  return real ? std::filesystem::path(real.get()) : std::filesystem::path{};
}

Product findProduct() {
  Product out;
  out.object = thisObject();
  struct stat info {};
  if (out.object.empty() || ::stat(out.object.c_str(), &info) != 0) return out;
  out.folder = out.object.parent_path().parent_path() / "lib/computesdk/providers";
  out.owner = info.st_uid;
  out.writingGroups = writingGroups(out.object);
  return out;
}

}  // namespace

const Product& product() {
  static const Product found = findProduct();
  return found;
}

}  // namespace computesdk::registry

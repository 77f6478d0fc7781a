#pragma once

#include <computesdk/registry/manifest.hpp>
#include <computesdk/registry/registry.hpp>

#include "detect/variables.hpp"
#include "search/search.hpp"

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::registry::test {

/// A folder below /tmp that goes away with the object. Mode 0755, owned by the user.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file with mode 0644 and the folders above it; answers its path.
  std::filesystem::path write(const std::filesystem::path& name, std::string_view content, mode_t mode = 0644) const;

 private:
  std::filesystem::path path_;
};

/// A machine with nothing on it: no environment, no home, no folders.
struct World {
  TempFolder folder;
  std::map<std::string, std::string> variables;
  RegistryOptions options;
  std::vector<LogRecord> log;

  World();
  /// Adds NAME.provider.json and an empty library to the product's folder, or to another one.
  void install(std::string_view name, std::string_view more = "", std::string_view in = "product") const;
};

/// A manifest with `more` (members with a comma at the end) before its ordinary ones.
std::string manifestText(std::string_view name, std::string_view more = "");
std::string readFile(const std::filesystem::path& file);
std::filesystem::path fixture(std::string_view name);

}  // namespace computesdk::registry::test

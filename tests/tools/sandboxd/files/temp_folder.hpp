#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace sandboxd_test {

/// A new folder, in memory where that can be had, gone with all that is in it at the end.
class TempFolder {
 public:
  TempFolder() {
    path_ = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/sandboxd_test_XXXXXX" : "/tmp/sandboxd_test_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(const std::string& relative) const { return path_ + "/" + relative; }
  void write(const std::string& relative, std::string_view content) const {
    std::ofstream(path(relative), std::ios::binary | std::ios::trunc) << content;
  }
  void folder(const std::string& relative) const { std::filesystem::create_directories(path(relative)); }
  [[nodiscard]] std::string read(const std::string& relative) const {
    std::ostringstream content;
    content << std::ifstream(path(relative), std::ios::binary).rdbuf();
    return content.str();
  }
  [[nodiscard]] bool has(const std::string& relative) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path(relative)));
  }
  [[nodiscard]] struct stat info(const std::string& relative) const {
    struct stat info {};
    lstat(path(relative).c_str(), &info);
    return info;
  }

 private:
  std::string path_;
};

}  // namespace sandboxd_test

#include "support.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace computesdk::registry::test {

TempFolder::TempFolder() {
  std::string name = "/tmp/registry_test.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  ::chmod(name.c_str(), 0755);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TempFolder::write(const std::filesystem::path& name, std::string_view content,
                                        mode_t mode) const {
  auto file = path_ / name;
  for (auto at = path_; const auto& part : name.parent_path()) {
    at /= part;
    if (::mkdir(at.c_str(), 0755) == 0) ::chmod(at.c_str(), 0755);
  }
  // Never in place: a library that is loaded would change under whoever runs it.
  auto fresh = file;
  fresh += ".new";
  std::ofstream(fresh, std::ios::binary) << content;
  ::chmod(fresh.c_str(), mode);
  std::filesystem::rename(fresh, file);
  return file;
}

World::World() {
  options.environment.get = [this](std::string_view name) -> std::optional<std::string> {
    auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  options.environment.home = folder.path() / "home";
  options.environment.user = ::geteuid();
  options.log = [this](const LogRecord& record) { log.push_back(record); };
  options.productFolder = folder.path() / "product";
  options.systemFolders = {folder.path() / "system"};
  options.policyFile = folder.path() / "policy.json";
}

void World::install(std::string_view name, std::string_view more, std::string_view in) const {
  std::filesystem::path at(in);
  folder.write(at / (std::string(name) + ".provider.json"), manifestText(name, more));
  folder.write(at / ("lib" + std::string(name) + ".so"), "");
}

std::string manifestText(std::string_view name, std::string_view more) {
  std::string id(name);
  return "{" + std::string(more) + "\"manifest_version\": 1, \"name\": \"" + id +
         "\", \"version\": \"1.0.0\", \"library\": \"lib" + id + ".so\", \"abi\": {\"major\": 1}}";
}

std::string readFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::filesystem::path fixture(std::string_view name) {
  return std::filesystem::path(REGISTRY_FIXTURES) / ("registry_" + std::string(name) + ".so");
}

}  // namespace computesdk::registry::test

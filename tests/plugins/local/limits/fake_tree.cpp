#include "fake_tree.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace computesdk::local::limits {
namespace {

std::string parentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string nameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void FakeTree::file(const std::string& path, const std::string& text) { nodes[path] = {false, text, 0, true}; }
void FakeTree::folder(const std::string& path) { nodes[path] = {true, {}, 0, true}; }

void FakeTree::groupV2(const std::string& path, const std::string& controllers) {
  folder(path);
  v2Folders.insert(path);
  file(path + "/cgroup.controllers", controllers + "\n");
  for (const char* name : {"cgroup.procs", "cgroup.subtree_control"}) file(path + "/" + name, "");
}

void FakeTree::groupV1(const std::string& path) {
  folder(path);
  file(path + "/cgroup.procs", "");
}

std::string FakeTree::text(const std::string& path) const {
  const auto found = nodes.find(path);
  return found == nodes.end() ? "(absent)" : found->second.text;
}

std::vector<std::string> FakeTree::under(const std::string& prefix) const {
  std::vector<std::string> found;
  for (const auto& [path, node] : nodes) {
    if (node.folder && path.rfind(prefix + "/", 0) == 0) found.push_back(path);
  }
  return found;
}

int FakeTree::planned(const std::string& operation, const std::string& path) {
  const auto found = failures.find(operation + " " + path);
  return found == failures.end() ? 0 : found->second;
}

Result<std::string> FakeTree::read(const std::string& path) {
  const auto found = nodes.find(path);
  EXPECT_FALSE(unreadable.contains(path)) << path;
  if (found == nodes.end()) return failure(ENOENT, path);
  return found->second.text;
}

void FakeTree::removeProcess(const std::string& pid, bool v2, const std::string& hierarchy) {
  for (auto& [path, node] : nodes) {
    if (nameOf(path) != "cgroup.procs" || (v2Folders.count(parentOf(path)) != 0) != v2) continue;
    if (!v2 && path.rfind(hierarchy, 0) != 0) continue;
    const std::size_t at = ("\n" + node.text).find("\n" + pid + "\n");
    if (at != std::string::npos) node.text.erase(at, pid.size() + 1);
  }
}

Status FakeTree::write(const std::string& path, std::string_view text) {
  if (const int code = planned("write", path); code != 0) return failure(code, path);
  const auto found = nodes.find(path);
  if (found == nodes.end()) return failure(ENOENT, path);
  if (!found->second.writable) return failure(EACCES, path);
  log.push_back("write " + path + " " + std::string(text));
  const std::string group = parentOf(path), name = nameOf(path);
  const bool v2 = v2Folders.count(group) != 0;
  if (name == "cgroup.procs") {
    removeProcess(std::string(text), v2, group.substr(0, group.find('/', 15)));
    found->second.text += std::string(text) + "\n";
  } else if (v2 && name == "cgroup.subtree_control") {
    const std::string controller(text.substr(1));
    if (nodes[group + "/cgroup.controllers"].text.find(controller) == std::string::npos) return failure(ENOENT, path);
    // No group but the root may hold processes and hand controllers on.
    if (!nodes[group + "/cgroup.procs"].text.empty() && v2Folders.count(parentOf(group)) != 0) {
      return failure(EBUSY, path);
    }
    if (found->second.text.find(controller) == std::string::npos) {
      found->second.text += (found->second.text.empty() ? "" : " ") + controller;
    }
  } else {
    found->second.text = std::string(text);
  }
  return okStatus();
}

Status FakeTree::makeDirectory(const std::string& path) {
  if (const int code = planned("mkdir", path); code != 0) return failure(code, path);
  if (nodes.count(path) != 0) return failure(EEXIST, path);
  const std::string parent = parentOf(path);
  if (nodes.count(parent) == 0) return failure(ENOENT, path);
  if (!nodes[parent].writable) return failure(EACCES, path);
  log.push_back("mkdir " + path);
  if (v2Folders.count(parent) != 0) {
    groupV2(path, nodes[parent + "/cgroup.subtree_control"].text);
  } else {
    groupV1(path);
  }
  return okStatus();
}

Status FakeTree::removeDirectory(const std::string& path) {
  if (const int code = planned("rmdir", path); code != 0) return failure(code, path);
  if (nodes.count(path) == 0) return failure(ENOENT, path);
  if (!under(path).empty()) return failure(ENOTEMPTY, path);
  if (!nodes[path + "/cgroup.procs"].text.empty()) return failure(EBUSY, path);
  log.push_back("rmdir " + path);
  for (auto it = nodes.begin(); it != nodes.end();) {
    const bool inside = it->first == path || it->first.rfind(path + "/", 0) == 0;
    it = inside ? nodes.erase(it) : std::next(it);
  }
  v2Folders.erase(path);
  return okStatus();
}

Result<std::vector<std::string>> FakeTree::folders(const std::string& path) {
  if (nodes.count(path) == 0) return failure(ENOENT, path);
  std::vector<std::string> names;
  for (const std::string& folder : under(path)) {
    if (parentOf(folder) == path) names.push_back(nameOf(folder));
  }
  return names;
}

bool FakeTree::writable(const std::string& path) {
  const auto found = nodes.find(path);
  return found != nodes.end() && found->second.writable;
}

Status FakeTree::setOwner(const std::string& path, uid_t uid, gid_t) {
  if (const int code = planned("chown", path); code != 0) return failure(code, path);
  if (nodes.count(path) == 0) return failure(ENOENT, path);
  nodes[path].owner = uid;
  return okStatus();
}

Result<uid_t> FakeTree::owner(const std::string& path) {
  if (nodes.count(path) == 0) return failure(ENOENT, path);
  return nodes[path].owner;
}

void FakeTree::waitForExit(const std::string& path, std::chrono::milliseconds) {
  ++waits;
  if (waitsUntilEmpty > 0 && waits >= waitsUntilEmpty) nodes[path + "/cgroup.procs"].text.clear();
}

Result<UniqueFd> FakeTree::openFolder(const std::string& path) {
  if (nodes.count(path) == 0) return failure(ENOENT, path);
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Result<UniqueFd> FakeTree::lockFolder(const std::string& path) {
  if (locked.count(path) != 0) return failure(EAGAIN, path);
  return openFolder(path);
}

}  // namespace computesdk::local::limits

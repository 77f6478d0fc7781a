#include "root_plan.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <rootfs/template_source.hpp>

#include "identity.hpp"

namespace computesdk::local {
namespace {

bool isThere(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// "DIR" or "DIR:TAG"; a folder whose name has a colon is taken as it is.
std::pair<std::string, std::string> splitSource(const std::string& source) {
  const std::size_t colon = source.rfind(':');
  if (isThere(source) || colon == std::string::npos || source.find('/', colon) != std::string::npos)
    return {source, ""};
  return {source.substr(0, colon), source.substr(colon + 1)};
}

// A template that is not there is a wrong argument, whatever the file system calls it.
Error wrongTemplate(Error error) {
  if (error.kind == ErrorClass::kNotFound) error.kind = ErrorClass::kInvalidArgument;
  error.message = "template: " + error.message;
  if (error.kind == ErrorClass::kInvalidArgument && error.fix.empty())
    error.fix = "Give the absolute path of a root file system or of an OCI layout.";
  return error;
}

Result<std::string> imageCache() {
  std::string cache = rootfs::cacheDirectory();
  if (!cache.empty()) return cache;
  return Error{.kind = ErrorClass::kFailedPrecondition,
               .message = "there is no folder to unpack images into",
               .why = "Neither XDG_CACHE_HOME nor HOME is set.",
               .fix = "export XDG_CACHE_HOME=/var/cache"};
}

// A path that create() would take for a working folder.
bool usableWorkdir(const std::string& path) { return path.size() > 1 && path[0] == '/'; }

void takeImage(const rootfs::OciImage& image, RootPlan& plan) {
  plan.folder = image.root;
  for (const std::string& line : image.env) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos && equals > 0)
      plan.envs.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  if (usableWorkdir(image.workdir)) plan.workdir = image.workdir;
}

Status planTemplate(const std::string& source, RootPlan& plan) {
  const auto [path, tag] = splitSource(source);
  const auto kind = rootfs::classify(path);
  if (!kind.ok()) return wrongTemplate(kind.error());
  if (*kind == rootfs::SourceKind::kDirectory) {
    auto folder = rootfs::validateDirectory(path);
    if (!folder.ok()) return wrongTemplate(folder.error());
    plan.folder = *folder;
    plan.base = {"directory", *folder};
    return okStatus();
  }
  const auto cache = imageCache();
  if (!cache.ok()) return cache.error();
  rootfs::UnpackLimits limits;
  limits.owner = treeOwner();
  const auto image = rootfs::openOciLayout(path, tag, *cache, limits);
  if (!image.ok()) return wrongTemplate(image.error());
  takeImage(*image, plan);
  plan.base = {"oci", image->digest};
  return okStatus();
}

// The base that the lowest snapshot of a chain was taken over.
Status planBase(const rootfs::Base& base, RootPlan& plan) {
  if (base.kind == "host") return okStatus();
  if (base.kind == "directory") {
    auto folder = rootfs::validateDirectory(base.name);
    if (!folder.ok()) return wrongTemplate(folder.error());
    plan.folder = *folder;
    return okStatus();
  }
  const auto cache = imageCache();
  if (!cache.ok()) return cache.error();
  const auto image = rootfs::openUnpacked(*cache, base.name);
  if (!image.ok()) return image.error();
  takeImage(*image, plan);
  return okStatus();
}

Status planSnapshot(const std::string& id, RootPlan& plan) {
  const auto store = snapshotStore();
  if (!store.ok()) return store.error();
  const auto chain = rootfs::snapshotChain(*store, id);
  if (!chain.ok()) return chain.error();
  if (Status based = planBase(chain->back().base, plan); !based.ok()) return based;
  for (const rootfs::Snapshot& snapshot : *chain) {
    plan.layers.push_back(snapshot.root + "/layers");
    plan.overlay |= std::any_of(snapshot.parts.begin(), snapshot.parts.end(),
                                [](const std::string& part) { return part.starts_with("top-"); });
  }
  plan.base = {"snapshot", id};
  if (usableWorkdir(chain->front().workdir)) plan.workdir = chain->front().workdir;
  return okStatus();
}

}  // namespace

Result<RootPlan> planRoot(const CreateSpec& spec) {
  RootPlan plan;
  plan.base = {"host", ""};
  if (!spec.snapshotId.empty()) {
    if (Status planned = planSnapshot(spec.snapshotId, plan); !planned.ok()) return planned.error();
  } else if (!spec.templateSource.empty()) {
    if (Status planned = planTemplate(spec.templateSource, plan); !planned.ok()) return planned.error();
  }
  plan.overlay = spec.writableBase.value_or(plan.overlay || !plan.folder.empty());
  return plan;
}

Result<std::string> snapshotStore() {
  if (const char* data = getenv("XDG_DATA_HOME"); data != nullptr && data[0] == '/') {
    return std::string(data) + "/computesdk/local/snapshots";
  }
  if (const char* home = getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::string(home) + "/.local/share/computesdk/local/snapshots";
  }
  return Error{.kind = ErrorClass::kFailedPrecondition,
               .message = "there is no folder to keep snapshots in",
               .why = "Neither XDG_DATA_HOME nor HOME is set.",
               .fix = "export XDG_DATA_HOME=/var/lib"};
}

}  // namespace computesdk::local

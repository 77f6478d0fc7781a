#include "snapshot.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "json.hpp"
#include "tree.hpp"
#include "tree_copy.hpp"

namespace computesdk::local::rootfs {
namespace {

constexpr std::string_view kIdPrefix = "snap-";
constexpr std::size_t kLongestChain = 64;

bool validId(std::string_view id) {
  return id.size() == kIdPrefix.size() + 16 && id.substr(0, kIdPrefix.size()) == kIdPrefix &&
         id.find_first_not_of("0123456789abcdef", kIdPrefix.size()) == std::string_view::npos;
}

bool validPart(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name[0] != '-' && name[0] != '.' && name[0] != '_' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

bool validBase(const Base& base) {
  return base.kind == "host" || base.kind == "directory" || base.kind == "oci" ||
         (base.kind == "snapshot" && validId(base.name));
}

std::string manifestOf(const Snapshot& snapshot) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> out(buffer);
  const auto text = [&](const char* key, const std::string& value) {
    out.Key(key);
    out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  out.StartObject();
  out.Key("version");
  out.Int(1);
  text("id", snapshot.id);
  text("name", snapshot.name);
  out.Key("base");
  out.StartObject();
  text("kind", snapshot.base.kind);
  text("name", snapshot.base.name);
  out.EndObject();
  text("workdir", snapshot.workdir);
  out.Key("created_ms");
  out.Int64(snapshot.createdMs);
  out.Key("bytes");
  out.Uint64(snapshot.bytes);
  out.Key("files");
  out.Uint64(snapshot.files);
  out.Key("parts");
  out.StartArray();
  for (const std::string& part : snapshot.parts) out.String(part.data(), static_cast<rapidjson::SizeType>(part.size()));
  out.EndArray();
  out.Key("metadata");
  out.StartObject();
  for (const auto& [key, value] : snapshot.metadata) text(key.c_str(), value);
  out.EndObject();
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Result<Snapshot> read(const std::string& store, const std::string& id) {
  const std::string root = store + "/" + id;
  const auto text = readSmallFile(root + "/manifest.json", kMostJson);
  if (!text.ok()) return text.error();
  rapidjson::Document document;
  if (Status parsed = parseJson(*text, "the snapshot's manifest", document); !parsed.ok()) return parsed.error();
  Snapshot snapshot;
  snapshot.id = textAt(document, "id");
  snapshot.name = textAt(document, "name");
  if (const rapidjson::Value* base = objectAt(document, "base")) {
    snapshot.base = {textAt(*base, "kind"), textAt(*base, "name")};
  }
  snapshot.workdir = textAt(document, "workdir");
  snapshot.createdMs = static_cast<std::int64_t>(numberAt(document, "created_ms"));
  snapshot.bytes = numberAt(document, "bytes");
  snapshot.files = numberAt(document, "files");
  snapshot.parts = textsAt(document, "parts");
  if (const rapidjson::Value* metadata = objectAt(document, "metadata")) {
    for (const auto& member : metadata->GetObject()) {
      if (member.value.IsString()) snapshot.metadata.emplace_back(member.name.GetString(), member.value.GetString());
    }
  }
  snapshot.root = root;
  const bool parts = std::all_of(snapshot.parts.begin(), snapshot.parts.end(), validPart);
  if (snapshot.id != id || !parts || !validBase(snapshot.base) || numberAt(document, "version") != 1) {
    return invalidArgument("the snapshot's manifest is damaged: " + root);
  }
  return snapshot;
}

class HalfCopy {
 public:
  explicit HalfCopy(std::string path) : path_(std::move(path)) {}
  ~HalfCopy() {
    if (!path_.empty()) (void)removePath(path_);
  }
  HalfCopy(const HalfCopy&) = delete;
  HalfCopy& operator=(const HalfCopy&) = delete;
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

// What copies that were killed left: nobody holds their lock.
void sweep(const std::string& store) {
  const UniqueFd folder(::open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto names = folder ? namesIn(folder.get()) : Result<std::vector<std::string>>(Error{});
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (name.rfind(".new-", 0) != 0 && name.rfind(".gone-", 0) != 0) continue;
    const UniqueFd stale(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (stale && ::flock(stale.get(), LOCK_EX | LOCK_NB) == 0) (void)removeAll(folder.get(), name);
  }
}

Status copyPart(int layers, const Part& part, CopyBudget& budget) {
  if (::mkdirat(layers, part.name.c_str(), 0700) != 0)
    return systemError(errno, "cannot make a folder of the snapshot");
  const UniqueFd to(::openat(layers, part.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const UniqueFd from(::openat(part.upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to || !from) return systemError(errno, "cannot open a folder for the snapshot");
  return copyTree(from.get(), to.get(), budget);
}

}  // namespace

Result<Snapshot> takeSnapshot(const std::string& store, const Description& description, const std::vector<Part>& parts,
                              const CopyLimits& limits) {
  if (!validBase(description.base)) return invalidArgument("a snapshot needs a base");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool twice = std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i),
                                   [&](const Part& other) { return other.name == parts[i].name; });
    if (!validPart(parts[i].name) || parts[i].upper < 0 || twice)
      return invalidArgument("a part of the snapshot is not valid");
  }
  if (Status made = makeFolders(store, 0700); !made.ok()) return made.error();
  sweep(store);
  Snapshot snapshot;
  snapshot.id = std::string(kIdPrefix) + randomName();
  snapshot.name = description.name;
  snapshot.base = description.base;
  snapshot.workdir = description.workdir;
  snapshot.metadata = description.metadata;
  snapshot.root = store + "/" + snapshot.id;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  snapshot.createdMs = now.tv_sec * 1000LL + now.tv_nsec / 1000000;

  const std::string staged = store + "/.new-" + randomName();
  if (::mkdir(staged.c_str(), 0700) != 0) return systemError(errno, "cannot make the folder " + staged);
  HalfCopy staging(staged);
  const UniqueFd folder(::open(staged.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder || ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return systemError(errno, "cannot open " + staged);
  if (::mkdirat(folder.get(), "layers", 0755) != 0) return systemError(errno, "cannot make a folder of the snapshot");
  const UniqueFd layers(::openat(folder.get(), "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!layers) return systemError(errno, "cannot open a folder of the snapshot");
  CopyBudget budget{limits.bytes, limits.files, limits.cancelled};
  for (const Part& part : parts) {
    if (Status copied = copyPart(layers.get(), part, budget); !copied.ok()) return copied.error();
    snapshot.parts.push_back(part.name);
  }
  if (Status given = giveTo(layers.get(), limits.owner); !given.ok()) return given.error();
  snapshot.bytes = budget.copiedBytes;
  snapshot.files = budget.copiedFiles;
  if (Status written = writeNewFile(folder.get(), "manifest.json", manifestOf(snapshot)); !written.ok()) {
    return written.error();
  }
  if (::rename(staged.c_str(), snapshot.root.c_str()) != 0)
    return systemError(errno, "cannot put the snapshot in place");
  staging.keep();
  return snapshot;
}

Result<std::vector<Snapshot>> listSnapshots(const std::string& store) {
  std::vector<Snapshot> snapshots;
  const UniqueFd folder(::open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOENT) return snapshots;
  if (!folder) return systemError(errno, "cannot open " + store);
  const auto names = namesIn(folder.get());
  if (!names.ok()) return names.error();
  for (const std::string& name : *names) {
    if (!validId(name)) continue;
    if (auto snapshot = read(store, name); snapshot.ok()) snapshots.push_back(std::move(*snapshot));
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const Snapshot& a, const Snapshot& b) {
    return a.createdMs != b.createdMs ? a.createdMs > b.createdMs : a.id < b.id;
  });
  return snapshots;
}

Result<Snapshot> findSnapshot(const std::string& store, std::string_view id) {
  if (!validId(id)) {
    Error error = invalidArgument("this is no id of a snapshot: " + std::string(id.substr(0, 100)));
    error.fix = "computesdk snapshot list";
    return error;
  }
  auto snapshot = read(store, std::string(id));
  if (!snapshot.ok() && snapshot.error().kind == ErrorClass::kNotFound) {
    snapshot.error().message = "there is no snapshot " + std::string(id);
    snapshot.error().fix = "computesdk snapshot list";
  }
  return snapshot;
}

Status removeSnapshot(const std::string& store, std::string_view id) {
  const auto snapshot = findSnapshot(store, id);
  if (!snapshot.ok() && snapshot.error().kind == ErrorClass::kNotFound) return snapshot.error();
  if (!validId(id)) return snapshot.error();
  const auto all = listSnapshots(store);
  if (!all.ok()) return all.error();
  for (const Snapshot& other : *all) {
    if (other.base.kind == "snapshot" && other.base.name == id) {
      return Error{.kind = ErrorClass::kFailedPrecondition,
                   .message = "another snapshot is based on " + std::string(id),
                   .why = {},
                   .fix = "computesdk snapshot rm " + other.id + "    (first)"};
    }
  }
  // A launcher holds this lock as long as sandboxes over the snapshot live.
  const UniqueFd layers(
      ::open((store + "/" + std::string(id) + "/layers").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (layers && ::flock(layers.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Error{.kind = ErrorClass::kFailedPrecondition,
                 .message = "a living sandbox was made from " + std::string(id),
                 .why = {},
                 .fix = "computesdk ls    (then rm the sandbox, or wait for its end)"};
  }
  // Away in one step; what is then left of it when we are killed is swept by the next snapshot.
  const std::string gone = store + "/.gone-" + randomName();
  if (::rename((store + "/" + std::string(id)).c_str(), gone.c_str()) != 0) {
    return systemError(errno, "cannot remove the snapshot " + std::string(id));
  }
  return removePath(gone);
}

Result<std::vector<Snapshot>> snapshotChain(const std::string& store, std::string_view id) {
  std::vector<Snapshot> chain;
  std::string next(id);
  while (chain.size() < kLongestChain) {
    auto snapshot = findSnapshot(store, next);
    if (!snapshot.ok()) return snapshot.error();
    chain.push_back(std::move(*snapshot));
    if (chain.back().base.kind != "snapshot") return chain;
    next = chain.back().base.name;
  }
  return invalidArgument("the snapshots' bases are nested too deep, or in a circle");
}

}  // namespace computesdk::local::rootfs

// An OCI image layout on disk: from its index to an unpacked tree in the cache.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "json.hpp"
#include "layer.hpp"
#include "template_source.hpp"
#include "tree.hpp"

namespace computesdk::local::rootfs {
namespace {

struct Descriptor {
  std::string type, hex;
  std::uint64_t size = 0;
};

Result<Descriptor> descriptorOf(const rapidjson::Value& value) {
  if (!value.IsObject()) return invalidArgument("the image names one of its parts wrongly");
  Descriptor descriptor;
  descriptor.type = textAt(value, "mediaType");
  const std::string digest = textAt(value, "digest");
  const auto size = value.FindMember("size");
  constexpr std::string_view kPrefix = "sha256:";
  if (digest.size() != kPrefix.size() + 64 || digest.compare(0, kPrefix.size(), kPrefix) != 0 ||
      digest.find_first_not_of("0123456789abcdef", kPrefix.size()) != std::string::npos) {
    return invalidArgument("the image names a part by a digest that is no sha256: " + digest.substr(0, 100));
  }
  if (size == value.MemberEnd() || !size->value.IsUint64())
    return invalidArgument("the image does not give a size for " + digest);
  descriptor.hex = digest.substr(kPrefix.size());
  descriptor.size = size->value.GetUint64();
  return descriptor;
}

Result<BlobSource> openBlob(const std::string& layout, const Descriptor& descriptor) {
  const std::string path = layout + "/blobs/sha256/" + descriptor.hex;
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return systemError(errno, "the image lacks a blob: " + path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return invalidArgument(path + " is no regular file");
  return BlobSource(std::move(file), descriptor.hex, descriptor.size);
}

Result<std::string> readBlob(const std::string& layout, const Descriptor& descriptor) {
  if (descriptor.size > kMostJson)
    return invalidArgument("a document of the image is too large: sha256:" + descriptor.hex);
  auto blob = openBlob(layout, descriptor);
  if (!blob.ok()) return blob.error();
  std::string text(static_cast<std::size_t>(descriptor.size), 0);
  for (std::size_t at = 0; at < text.size();) {
    const auto got = blob->read(text.data() + at, text.size() - at);
    if (!got.ok()) return got.error();
    if (*got == 0) break;
    at += *got;
  }
  if (Status verified = blob->verify(); !verified.ok()) return verified.error();
  return text;
}

bool isIndex(const std::string& type) {
  return type == "application/vnd.oci.image.index.v1+json" ||
         type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool isHere(const rapidjson::Value& entry) {
  const rapidjson::Value* platform = objectAt(entry, "platform");
  return platform != nullptr && textAt(*platform, "os") == "linux" && textAt(*platform, "architecture") == "amd64";
}

// The one manifest of an index that is meant. Its nested indexes (one for each platform) are followed.
Result<Descriptor> chooseManifest(const std::string& layout, const std::string& text, std::string_view reference,
                                  int depth) {
  rapidjson::Document index;
  if (Status parsed = parseJson(text, "the image's index", index); !parsed.ok()) return parsed.error();
  const rapidjson::Value* manifests = arrayAt(index, "manifests");
  if (manifests == nullptr || manifests->Empty()) return invalidArgument("the image's index is empty");
  const rapidjson::Value* chosen = nullptr;
  std::string names;
  std::size_t candidates = 0;
  for (const auto& entry : manifests->GetArray()) {
    if (!entry.IsObject()) continue;
    const rapidjson::Value* annotations = objectAt(entry, "annotations");
    const std::string name = annotations == nullptr ? "" : textAt(*annotations, "org.opencontainers.image.ref.name");
    if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
    if (!reference.empty() && name != reference) continue;
    ++candidates;
    if (chosen == nullptr || (isHere(entry) && !isHere(*chosen))) chosen = &entry;
  }
  if (chosen == nullptr) {
    return Error{.kind = ErrorClass::kNotFound,
                 .message = "the layout holds no image " + std::string(reference),
                 .why = names.empty() ? "its images have no names" : "it holds: " + names};
  }
  if (candidates > 1 && !isHere(*chosen)) {
    return invalidArgument("the layout holds several images; name one of: " +
                           (names.empty() ? std::string("(they have no names)") : names));
  }
  const auto descriptor = descriptorOf(*chosen);
  if (!descriptor.ok() || !isIndex(descriptor->type)) return descriptor;
  if (depth > 3) return invalidArgument("the image's indexes are nested too deep");
  const auto inner = readBlob(layout, *descriptor);
  if (!inner.ok()) return inner.error();
  return chooseManifest(layout, *inner, {}, depth + 1);
}

struct Manifest {
  std::vector<Descriptor> layers;
  std::string configText;
};

Result<Manifest> readManifest(const std::string& layout, const Descriptor& descriptor, const UnpackLimits& limits) {
  const auto text = readBlob(layout, descriptor);
  if (!text.ok()) return text.error();
  rapidjson::Document document;
  if (Status parsed = parseJson(*text, "the image's manifest", document); !parsed.ok()) return parsed.error();
  const rapidjson::Value* layers = arrayAt(document, "layers");
  const rapidjson::Value* config = objectAt(document, "config");
  if (layers == nullptr || config == nullptr) return invalidArgument("the image's manifest has no layers or no config");
  if (layers->Size() > limits.layers) {
    return Error{.kind = ErrorClass::kResourceExhausted, .message = "the image has more layers than allowed"};
  }
  Manifest manifest;
  std::uint64_t total = 0;
  for (const auto& layer : layers->GetArray()) {
    auto part = descriptorOf(layer);
    if (!part.ok()) return part.error();
    if (part->size > limits.archiveBytes - total) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "the image's layers are larger than allowed"};
    }
    total += part->size;
    manifest.layers.push_back(std::move(*part));
  }
  const auto configDescriptor = descriptorOf(*config);
  if (!configDescriptor.ok()) return configDescriptor.error();
  auto configText = readBlob(layout, *configDescriptor);
  if (!configText.ok()) return configText.error();
  manifest.configText = std::move(*configText);
  return manifest;
}

Status unpackLayer(const std::string& layout, const Descriptor& layer, int root, const UnpackLimits& limits,
                   Allowance& allowance) {
  const bool zipped = layer.type.ends_with("+gzip") || layer.type.ends_with(".gzip");
  if (layer.type.ends_with("zstd")) {
    return Error{.kind = ErrorClass::kUnimplemented,
                 .message = "layers compressed with zstd are not supported",
                 .why = {},
                 .fix = "skopeo copy --dest-compress-format gzip …"};
  }
  if (!zipped && !layer.type.ends_with(".tar")) {
    return Error{.kind = ErrorClass::kUnimplemented, .message = "layers of this kind are not supported: " + layer.type};
  }
  auto blob = openBlob(layout, layer);
  if (!blob.ok()) return blob.error();
  // Room for the content and for a header an entry.
  const std::uint64_t most = limits.bytes + limits.files * 2048;
  const auto plain = zipped ? gunzip(*blob, most) : nullptr;
  Status applied = applyLayer(root, plain ? *plain : static_cast<ByteSource&>(*blob), allowance);
  // A wrong digest is the better explanation of a damaged archive.
  if (Status verified = blob->verify(); !verified.ok()) return verified;
  return applied;
}

void readConfig(const std::string& text, OciImage& image) {
  rapidjson::Document document;
  if (!parseJson(text, "the image's config", document).ok()) return;
  const rapidjson::Value* config = objectAt(document, "config");
  if (config == nullptr) return;
  image.env = textsAt(*config, "Env");
  image.command = textsAt(*config, "Entrypoint");
  for (std::string& word : textsAt(*config, "Cmd")) image.command.push_back(std::move(word));
  image.workdir = textAt(*config, "WorkingDir");
  image.user = textAt(*config, "User");
}

// A folder under a name of chance, locked while it is being filled, and removed unless it is kept.
class Staging {
 public:
  explicit Staging(std::string cache) : name_("staging-" + randomName()), path_(std::move(cache) + "/" + name_) {}
  ~Staging() {
    if (!kept_) (void)removePath(path_);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  Status make() {
    if (::mkdir(path_.c_str(), 0700) != 0) return systemError(errno, "cannot make the folder " + path_);
    folder_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder_ || ::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0) return systemError(errno, "cannot open " + path_);
    return okStatus();
  }
  int folder() const { return folder_.get(); }
  // Under its final name. Somebody else may have been first: as good.
  Status keepAs(const std::string& target) {
    if (::rename(path_.c_str(), target.c_str()) == 0) {
      kept_ = true;
      return okStatus();
    }
    if (errno == EEXIST || errno == ENOTEMPTY) return okStatus();
    return systemError(errno, "cannot put the image in place");
  }

 private:
  std::string name_, path_;
  UniqueFd folder_;
  bool kept_ = false;
};

// What unpackings that were killed left: nobody holds their lock.
void sweepStaging(int cache) {
  const auto names = namesIn(cache);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (name.rfind("staging-", 0) != 0) continue;
    const UniqueFd stale(::openat(cache, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (stale && ::flock(stale.get(), LOCK_EX | LOCK_NB) == 0) (void)removeAll(cache, name);
  }
}

// Sweeps the cache and makes a new folder in it. The cache is locked meanwhile: between its making and its own lock a
// folder looks like one that was left.
Status enterStaging(const std::string& cache, Staging& staging) {
  const UniqueFd folder(::open(cache.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return systemError(errno, "cannot open the cache " + cache);
  while (::flock(folder.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return systemError(errno, "cannot lock the cache " + cache);
  }
  sweepStaging(folder.get());
  return staging.make();
}

}  // namespace

Result<OciImage> openOciLayout(const std::string& layout, std::string_view reference, const std::string& cache,
                               const UnpackLimits& limits) {
  const auto kind = classify(layout);
  if (!kind.ok()) return kind.error();
  if (*kind != SourceKind::kOciLayout) return invalidArgument("this folder is no OCI layout: " + layout);
  const auto version = readSmallFile(layout + "/oci-layout", kMostJson);
  if (!version.ok()) return version.error();
  rapidjson::Document versionJson;
  if (Status parsed = parseJson(*version, "oci-layout", versionJson); !parsed.ok()) return parsed.error();
  if (textAt(versionJson, "imageLayoutVersion") != "1.0.0")
    return invalidArgument("this version of OCI layout is not known");
  const auto index = readSmallFile(layout + "/index.json", kMostJson);
  if (!index.ok()) return index.error();
  const auto descriptor = chooseManifest(layout, *index, reference, 0);
  if (!descriptor.ok()) return descriptor.error();
  const auto manifest = readManifest(layout, *descriptor, limits);
  if (!manifest.ok()) return manifest.error();

  OciImage image;
  image.digest = "sha256:" + descriptor->hex;
  readConfig(manifest->configText, image);
  const std::string place = cache + "/sha256/" + descriptor->hex;
  image.root = place + "/rootfs";
  struct stat status {};
  if (::stat(image.root.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return image;

  if (Status made = makeFolders(cache + "/sha256", 0700); !made.ok()) return made.error();
  Staging staging(cache);
  if (Status made = enterStaging(cache, staging); !made.ok()) return made.error();
  if (::mkdirat(staging.folder(), "rootfs", 0755) != 0) return systemError(errno, "cannot make a folder in the cache");
  const UniqueFd root(::openat(staging.folder(), "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) return systemError(errno, "cannot open a folder in the cache");
  Allowance allowance{limits.bytes, limits.files};
  for (const Descriptor& layer : manifest->layers) {
    if (Status unpacked = unpackLayer(layout, layer, root.get(), limits, allowance); !unpacked.ok()) {
      return unpacked.error();
    }
  }
  if (Status given = giveTo(root.get(), limits.owner); !given.ok()) return given.error();
  if (Status kept = writeNewFile(staging.folder(), "config.json", manifest->configText); !kept.ok())
    return kept.error();
  // As root the sandbox runs under another uid, which must get this far.
  if (::fchmod(staging.folder(), 0755) != 0) return systemError(errno, "cannot set the mode of the image's folder");
  if (Status kept = staging.keepAs(place); !kept.ok()) return kept.error();
  return image;
}

Result<OciImage> openUnpacked(const std::string& cache, std::string_view digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  const std::string_view hex = digest.starts_with(kAlgorithm) ? digest.substr(kAlgorithm.size()) : std::string_view();
  const std::string place = cache + "/sha256/" + std::string(hex);
  const bool valid = hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  const auto config = valid ? readSmallFile(place + "/config.json", kMostJson) : Result<std::string>(Error{});
  if (!config.ok()) {
    return Error{.kind = ErrorClass::kNotFound,
                 .message = "the image " + std::string(digest) + " is not in " + cache + " any more",
                 .why = "It was unpacked there when a sandbox was made from it, and has been removed since.",
                 .fix = "computesdk run --template LAYOUT -- true    (with the layout that it came from)"};
  }
  OciImage image;
  image.digest = digest;
  image.root = place + "/rootfs";
  readConfig(*config, image);
  return image;
}

}  // namespace computesdk::local::rootfs

// Makes tar archives and OCI layouts, good and hostile ones, and looks at what became of them.
#pragma once

#include <cstdint>
#include <engine/unique_fd.hpp>
#include <rootfs/byte_source.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::local::rootfs {

class TarBuilder {
 public:
  TarBuilder& entry(char type, const std::string& path, std::string_view content = {}, const std::string& link = {},
                    std::uint32_t mode = 0644);
  TarBuilder& file(const std::string& path, std::string_view content, std::uint32_t mode = 0644) {
    return entry('0', path, content, {}, mode);
  }
  TarBuilder& folder(const std::string& path, std::uint32_t mode = 0755) { return entry('5', path, {}, {}, mode); }
  TarBuilder& symlink(const std::string& path, const std::string& target) { return entry('2', path, {}, target); }
  TarBuilder& hardLink(const std::string& path, const std::string& target) { return entry('1', path, {}, target); }
  TarBuilder& pax(const std::vector<std::pair<std::string, std::string>>& records);
  std::string done() const { return bytes_ + std::string(1024, '\0'); }
  std::string cut() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string gzip(std::string_view plain);
std::string hex(std::string_view bytes);

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(void* to, std::size_t size) override;

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

// A folder below /tmp that goes with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }
  UniqueFd open(const std::string& below = {}) const;
  void write(const std::string& name, std::string_view content, std::uint32_t mode = 0644) const;
  void mkdir(const std::string& name) const;

 private:
  std::string path_;
};

std::string contentOf(const std::string& path);            // "(absent)" if it cannot be read
std::vector<std::string> treeOf(const std::string& path);  // every entry, relative, sorted

struct LayerSpec {
  std::string bytes;
  std::string type = "application/vnd.oci.image.layer.v1.tar";
};

// An OCI layout in `folder` with one image.
class LayoutBuilder {
 public:
  explicit LayoutBuilder(const TempFolder& folder);
  // Gives the digest (hex).
  std::string blob(std::string_view bytes) const;
  std::string image(const std::vector<LayerSpec>& layers, const std::string& config = "{\"config\":{}}") const;
  // Manifest hex digests under names.
  void index(const std::vector<std::pair<std::string, std::string>>& named) const;
  void single(const std::vector<LayerSpec>& layers, const std::string& config = "{\"config\":{}}") const {
    index({{"latest", image(layers, config)}});
  }
  std::uint64_t sizeOf(const std::string& digest) const;

 private:
  const TempFolder& folder_;
};

}  // namespace computesdk::local::rootfs

#include "image_builder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <rootfs/sha256.hpp>
#include <sstream>

namespace computesdk::local::rootfs {

TarBuilder& TarBuilder::entry(char type, const std::string& path, std::string_view content, const std::string& link,
                              std::uint32_t mode) {
  std::string header(512, '\0');
  std::memcpy(header.data(), path.data(), std::min<std::size_t>(path.size(), 100));
  std::snprintf(header.data() + 100, 8, "%07o", mode);
  std::snprintf(header.data() + 124, 12, "%011llo", static_cast<unsigned long long>(content.size()));
  std::snprintf(header.data() + 136, 12, "%011o", 1000000000U);
  std::memset(header.data() + 148, ' ', 8);
  header[156] = type;
  std::memcpy(header.data() + 157, link.data(), std::min<std::size_t>(link.size(), 100));
  std::memcpy(header.data() + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(header.data() + 148, 8, "%06o", sum);
  bytes_ += header;
  bytes_.append(content);
  bytes_.append((512 - content.size() % 512) % 512, '\0');
  return *this;
}

TarBuilder& TarBuilder::pax(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string text;
  for (const auto& [key, value] : records) {
    const std::string record = " " + key + "=" + value + "\n";
    std::size_t length = record.size() + 1;
    while (std::to_string(length).size() + record.size() != length) ++length;
    text += std::to_string(length) + record;
  }
  return entry('x', "PaxHeader", text);
}

std::string gzip(std::string_view plain) {
  z_stream stream{};
  if (::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string out(plain.size() / 2 + 4096, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  std::size_t made = 0;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out = static_cast<uInt>(out.size() - made);
    const int result = ::deflate(&stream, Z_FINISH);
    made = out.size() - stream.avail_out;
    if (result == Z_STREAM_END) break;
    out.resize(out.size() * 2);
  }
  ::deflateEnd(&stream);
  out.resize(made);
  return out;
}

std::string hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.finish();
}

Result<std::size_t> MemorySource::read(void* to, std::size_t size) {
  const std::size_t n = std::min(size, bytes_.size() - at_);
  std::memcpy(to, bytes_.data() + at_, n);
  at_ += n;
  return n;
}

TempFolder::TempFolder() {
  char path[] = "/tmp/computesdk-rootfs-XXXXXX";
  if (::mkdtemp(path) == nullptr) std::abort();
  path_ = path;
}

TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

UniqueFd TempFolder::open(const std::string& below) const {
  return UniqueFd(::open((path_ + "/" + below).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void TempFolder::write(const std::string& name, std::string_view content, std::uint32_t mode) const {
  std::ofstream(path_ + "/" + name, std::ios::binary) << content;
  ::chmod((path_ + "/" + name).c_str(), mode);
}

void TempFolder::mkdir(const std::string& name) const { std::filesystem::create_directories(path_ + "/" + name); }

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "(absent)";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> treeOf(const std::string& path) {
  std::vector<std::string> entries;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    entries.push_back(std::filesystem::relative(entry.path().parent_path(), path) / entry.path().filename());
    if (entries.back().rfind("./", 0) == 0) entries.back().erase(0, 2);
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

LayoutBuilder::LayoutBuilder(const TempFolder& folder) : folder_(folder) {
  folder.mkdir("blobs/sha256");
  folder.write("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

std::string LayoutBuilder::blob(std::string_view bytes) const {
  std::string digest = hex(bytes);
  folder_.write("blobs/sha256/" + digest, bytes);
  return digest;
}

std::uint64_t LayoutBuilder::sizeOf(const std::string& digest) const {
  return std::filesystem::file_size(folder_.path() + "/blobs/sha256/" + digest);
}

std::string LayoutBuilder::image(const std::vector<LayerSpec>& layers, const std::string& config) const {
  const auto descriptor = [&](const std::string& type, const std::string& digest) {
    return "{\"mediaType\":\"" + type + "\",\"digest\":\"sha256:" + digest +
           "\",\"size\":" + std::to_string(sizeOf(digest)) + "}";
  };
  std::string list;
  for (const LayerSpec& layer : layers) list += (list.empty() ? "" : ",") + descriptor(layer.type, blob(layer.bytes));
  return blob("{\"schemaVersion\":2,\"config\":" +
              descriptor("application/vnd.oci.image.config.v1+json", blob(config)) + ",\"layers\":[" + list + "]}");
}

void LayoutBuilder::index(const std::vector<std::pair<std::string, std::string>>& named) const {
  std::string list;
  for (const auto& [name, digest] : named) {
    list += (list.empty() ? "" : ",");
    list += "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:" + digest +
            "\",\"size\":" + std::to_string(sizeOf(digest)) +
            ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" + name + "\"}}";
  }
  folder_.write("index.json", "{\"schemaVersion\":2,\"manifests\":[" + list + "]}");
}

}  // namespace computesdk::local::rootfs

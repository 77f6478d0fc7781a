#include "trust/trust_file.hpp"

#include "trust/ownership.hpp"
#include "values/fd.hpp"
#include "values/json.hpp"
#include "values/text.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace computesdk::registry {
namespace {

constexpr std::size_t kMaxBytes = 1024 * 1024;

ErrorInfo badTrustFile(const std::filesystem::path& file, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::config;
  error.what = "cannot use the trust file " + file.string();
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// A member that is a string, or an empty text.
std::string textOf(const rapidjson::Value& object, const char* key) {
  auto found = object.FindMember(key);
  return found != object.MemberEnd() && found->value.IsString() ? std::string(jsonView(found->value)) : std::string{};
}

bool isSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<TrustedLibrary>> parse(std::string_view text, const std::filesystem::path& file) {
  std::string fix = "correct the file, or remove it and trust again";
  auto document = parseJson(text, {.maxBytes = kMaxBytes, .maxDepth = 8});
  if (!document) return badTrustFile(file, document.error().why, fix);
  if (!document->IsObject()) return badTrustFile(file, "it is not a JSON object", fix);
  auto version = document->FindMember("version");
  if (version == document->MemberEnd() || !version->value.IsInt() || version->value.GetInt() != 1) {
    return badTrustFile(file, "version is not 1", "remove the file and trust again, or update ComputeSDK");
  }
  std::vector<TrustedLibrary> out;
  auto list = document->FindMember("trusted");
  if (list == document->MemberEnd() || !list->value.IsArray())
    return badTrustFile(file, "trusted is not an array", fix);
  for (const auto& item : list->value.GetArray()) {
    if (!item.IsObject() || !isSha256(textOf(item, "sha256"))) {
      return badTrustFile(file, "an entry has no sha256 of 64 hexadecimal digits", fix);
    }
    out.push_back({textOf(item, "sha256"), textOf(item, "name"), textOf(item, "file")});
  }
  return out;
}

std::string serialize(const std::vector<TrustedLibrary>& libraries) {
  rapidjson::Document document(rapidjson::kObjectType);
  auto& allocator = document.GetAllocator();
  auto value = [&](const std::string& text) { return rapidjson::Value(text.c_str(), allocator); };
  rapidjson::Value list(rapidjson::kArrayType);
  for (const TrustedLibrary& library : libraries) {
    rapidjson::Value item(rapidjson::kObjectType);
    item.AddMember("sha256", value(library.sha256), allocator);
    item.AddMember("name", value(library.name), allocator);
    item.AddMember("file", value(library.file.string()), allocator);
    list.PushBack(item, allocator);
  }
  document.AddMember("version", 1, allocator);
  document.AddMember("trusted", list, allocator);
  return jsonText(document) + "\n";
}

/// The folder, made 0700 with what is missing above it.
Result<void> makeFolder(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder.parent_path(), code);
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return badTrustFile(folder, std::strerror(errno), "make the folder " + shellQuote(folder.string()));
}

}  // namespace

Result<std::vector<TrustedLibrary>> TrustFile::read() const {
  if (file_.empty()) return std::vector<TrustedLibrary>{};
  UniqueFd fd = openForReading(file_);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<TrustedLibrary>{};
    return badTrustFile(file_, std::strerror(errno), "make the file readable");
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return badTrustFile(file_, std::strerror(errno), "make the file readable");
  OwnershipCheck ownership({.user = user_, .rootOnly = false, .writers = {}});
  auto problem = ownership.file(info, file_);
  if (!problem) problem = ownership.folder(file_.parent_path());
  if (problem) return badTrustFile(file_, problem->why, problem->fix);
  auto text = readWhole(fd.get(), kMaxBytes);
  if (!text) return badTrustFile(file_, text.error().why, "make the file readable");
  return parse(*text, file_);
}

Result<void> TrustFile::add(const TrustedLibrary& library) const {
  if (file_.empty()) return badTrustFile(file_, "there is no home folder to keep it in", "set HOME or XDG_CONFIG_HOME");
  if (auto made = makeFolder(file_.parent_path()); !made) return made;
  UniqueFd folder(::open(file_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return badTrustFile(file_, std::strerror(errno), "make the folder readable");
  while (::flock(folder.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return badTrustFile(file_, std::strerror(errno), "try again");
  }
  auto libraries = read();
  if (!libraries) return libraries.error();
  bool known = std::any_of(libraries->begin(), libraries->end(),
                           [&](const TrustedLibrary& other) { return other.sha256 == library.sha256; });
  if (known) return {};
  libraries->push_back(library);
  auto replaced = replaceFile(file_, serialize(*libraries));
  if (!replaced) return badTrustFile(file_, replaced.error().why, "free some space, or make the folder writable");
  return {};
}

}  // namespace computesdk::registry

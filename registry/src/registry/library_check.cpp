#include "registry/library_check.hpp"

#include "trust/sha256.hpp"
#include "values/text.hpp"

#include <computesdk/plugin.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace computesdk::registry {
namespace {

ErrorInfo refuse(ErrorCode code, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = code;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

std::optional<ErrorInfo> checkHash(const Manifest& manifest, const Policy& policy, CheckedLibrary& library) {
  auto hash = sha256OfFile(library.fd.get());
  if (!hash) return refuse(ErrorCode::pluginLoad, hash.error().why, "make the file readable");
  library.sha256 = *hash;
  if (manifest.sha256.empty() && policy.requireChecksum) {
    return refuse(
        ErrorCode::policy, policy.file.string() + " wants a checksum, and the manifest has none",
        "add \"sha256\": \"" + *hash + "\" to " + manifest.file.string() + ", if you know the file to be right");
  }
  if (!manifest.sha256.empty() && manifest.sha256 != *hash) {
    return refuse(ErrorCode::pluginLoad, "its SHA-256 is " + *hash + ", the manifest says " + manifest.sha256,
                  "install the provider again");
  }
  return std::nullopt;
}

}  // namespace

Result<CheckedLibrary> openLibrary(const std::filesystem::path& path, const OwnershipRule& rule) {
  CheckedLibrary out;
  out.path = path;
  out.fd = openForReading(path);
  if (!out.fd) {
    if (errno == ENOENT) return refuse(ErrorCode::pluginLoad, "not found", "install the provider again");
    if (errno == ELOOP) return refuse(ErrorCode::pluginLoad, "it is a symbolic link", "put the file itself there");
    return refuse(ErrorCode::pluginLoad, std::strerror(errno), "make the file readable");
  }
  struct stat info {};
  if (::fstat(out.fd.get(), &info) != 0) return refuse(ErrorCode::pluginLoad, std::strerror(errno), "check the file");
  OwnershipCheck ownership(rule);
  auto problem = ownership.file(info, path);
  if (!problem) problem = ownership.folder(path.parent_path());
  if (problem) return refuse(ErrorCode::pluginLoad, "refused: " + problem->why, problem->fix);
  auto report = inspectLibrary(out.fd.get(), CSDK_ENTRY_SYMBOL);
  if (!report) return std::move(report).error();
  out.report = *report;
  out.needsPath = report->usesOrigin;
  return out;
}

Result<CheckedLibrary> checkLibraryFile(const Found& found, const OwnershipRule& rule, const Policy& policy) {
  auto library = openLibrary(found.manifest->library, rule);
  if (!library) return library;
  library->ofProduct = found.ofProduct;
  if (!found.ofProduct) {
    if (auto error = checkHash(*found.manifest, policy, *library)) return *error;
  }
  return library;
}

Result<Place> choosePlace(const Manifest& manifest, const CheckedLibrary& library,
                          const std::vector<TrustedLibrary>& trusted) {
  bool isTrusted = library.ofProduct || std::any_of(trusted.begin(), trusted.end(), [&](const TrustedLibrary& one) {
                     return one.sha256 == library.sha256;
                   });
  if (manifest.placement == PlacementRule::inProcess && !isTrusted) {
    return refuse(ErrorCode::pluginUntrusted, "it wants to run inside this process and is not trusted",
                  "if you trust it: computesdk provider trust " + shellQuote(library.path.string()));
  }
  return isTrusted && manifest.placement != PlacementRule::isolated ? Place::inProcess : Place::isolated;
}

}  // namespace computesdk::registry

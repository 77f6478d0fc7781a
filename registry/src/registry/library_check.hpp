#pragma once

#include "elf/elf.hpp"
#include "search/search.hpp"
#include "trust/policy.hpp"
#include "trust/trust_file.hpp"
#include "values/fd.hpp"

#include <computesdk/registry/loader.hpp>

#include <string>
#include <vector>

// Everything that is looked at before a library is mapped.
namespace computesdk::registry {

/// A library that passed: opened once, and what is loaded is what was looked at.
struct CheckedLibrary {
  UniqueFd fd;
  std::filesystem::path path;
  bool needsPath = false;  ///< $ORIGIN in its RUNPATH
  bool ofProduct = false;  ///< trusted like the product; not hashed
  std::string sha256;      ///< empty for a library of the product
  ElfReport report;

  /// Refers to this object.
  [[nodiscard]] LibraryFile file() const { return {path, fd.get(), needsPath}; }
};

/// Opens the library of a manifest and checks who could have written it, its form as an ELF file, and its checksum.
/// Errors: E_PLUGIN_LOAD or E_POLICY with `why` and `fix`; the caller says what failed.
Result<CheckedLibrary> checkLibraryFile(const Found& found, const OwnershipRule& rule, const Policy& policy);

/// The same for any library, without a manifest: for `trust`.
Result<CheckedLibrary> openLibrary(const std::filesystem::path& path, const OwnershipRule& rule);

/// Whether a library may run in this process.
enum class Place { inProcess, isolated };
/// Errors: E_PLUGIN_UNTRUSTED with the command that trusts it, when the manifest insists on this process.
Result<Place> choosePlace(const Manifest& manifest, const CheckedLibrary& library,
                          const std::vector<TrustedLibrary>& trusted);

}  // namespace computesdk::registry

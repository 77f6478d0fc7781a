#pragma once

#include <computesdk/registry/manifest.hpp>
#include <computesdk/registry/registry.hpp>

#include "trust/ownership.hpp"
#include "trust/policy.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Where manifests are looked for, and what was found there.
namespace computesdk::registry {

enum class Origin { added, environment, user, product, system };

struct Folder {
  Registry::SearchFolder shown;
  Origin origin = Origin::system;
};

/// A manifest that was found, good or bad, first name first.
struct Found {
  std::string name;  ///< the manifest's, or the file's name before ".provider.json" when it is bad
  std::filesystem::path file;
  Origin origin = Origin::system;
  std::shared_ptr<const Manifest> manifest;  ///< null when `problem` is set
  std::optional<ErrorInfo> problem;          ///< why the manifest cannot be used at all
  std::string unusable;                      ///< why its library cannot be loaded here; empty when it may be
  std::string unusableFix;
  bool ofProduct = false;  ///< in the product's folder and of its owner: trusted like the product
  bool shadowed = false;   ///< a good manifest of the same name comes before it
};

struct SearchResult {
  std::vector<Folder> folders;
  std::vector<Found> found;  ///< in the order of the folders, in byte order within one
  std::vector<std::string> warnings;
};

/// The folders in order of precedence, each with the reason when it is not used.
std::vector<Folder> searchFolders(const RegistryOptions& options);

/// Reads every manifest in them. Opens no library.
SearchResult search(const RegistryOptions& options);

/// How files of an origin have to be owned.
OwnershipRule ownershipRule(const RegistryOptions& options, Origin origin);

}  // namespace computesdk::registry

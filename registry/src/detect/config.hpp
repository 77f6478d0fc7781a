#pragma once

#include "detect/variables.hpp"
#include "search/search.hpp"

#include <computesdk/registry/loader.hpp>

#include <string>
#include <vector>

namespace computesdk::registry {

/// The settings of a provider: the caller's, else the environment's, else what a JWT among them claims, else the
/// manifest's defaults. All are texts. `warnings` gets what looks wrong and is not an error.
/// Errors: E_CONFIG for keys that the manifest does not have, E_AUTH_MISSING with the steps of the manifest,
/// E_AUTH_FORMAT for a value of the wrong form. No value is ever part of a message.
Result<ResolvedConfig> resolveConfig(const Manifest& manifest, const OptionMap& given, const Variables& variables,
                                     const SearchResult& search, std::vector<std::string>& warnings);

}  // namespace computesdk::registry

#pragma once

#include "detect/variables.hpp"
#include "search/search.hpp"
#include "trust/policy.hpp"

#include <string>
#include <vector>

// What the environment says about each provider, before anything is chosen.
namespace computesdk::registry {

/// How far a provider's variables are set.
enum class Setting {
  complete,   ///< a whole group
  partial,    ///< some of a group
  none,       ///< nothing
  always,     ///< needs nothing; the last resort
  onRequest,  ///< needs nothing and is never chosen by itself
};

struct Evaluation {
  const Found* found = nullptr;
  Setting setting = Setting::none;
  int priority = 0;
  std::vector<std::string> matched;      ///< variables of the complete group, or of the one that is nearest to it
  std::vector<std::string> missing;      ///< of the nearest group
  std::string ruledOutBy;                ///< a variable of none_of that is set
  std::string denied;                    ///< by whom; empty when it is not
  std::vector<std::string> formatNotes;  ///< "X does not start with …", of values that look wrong

  [[nodiscard]] const std::string& name() const { return found->name; }
  /// It could be loaded if it were chosen.
  [[nodiscard]] bool usable() const {
    return found->manifest && found->unusable.empty() && denied.empty() && ruledOutBy.empty();
  }
  /// What keeps it from being loaded, empty when usable; denials are not counted.
  [[nodiscard]] std::string defect() const { return found->problem ? found->problem->why : found->unusable; }
};

/// Everything that detection reads. Refers to parts of the registry that do not change.
struct DetectInput {
  const RegistryOptions& options;
  const Policy& policy;
  const SearchResult& search;
  const Variables& variables;
};

/// One evaluation for each good manifest that is not shadowed.
std::vector<Evaluation> evaluateAll(const DetectInput& input);

/// The provider, other than `name`, whose credentials begin like `value`; empty when there is none.
std::string ownerOfPrefix(const SearchResult& search, std::string_view name, std::string_view value);

/// "E2B_API_KEY set (from ./.env line 3)", "A and B set, C missing", "A not set".
std::string describeSetting(const Evaluation& evaluation, const Variables& variables);

}  // namespace computesdk::registry

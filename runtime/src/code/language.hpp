#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace computesdk::detail {

/// How one language's code is run: `interpreter FILE`.
struct Language {
  std::string_view name;
  std::string_view interpreter;
  std::string_view suffix;  ///< of the file; some interpreters look at it
};

/// By name or other name ("py", "js"), upper or lower case. Thread-safe.
std::optional<Language> findLanguage(std::string_view name) noexcept;

}  // namespace computesdk::detail

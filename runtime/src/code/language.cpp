#include "code/language.hpp"

#include <computesdk/command.hpp>

#include <algorithm>
#include <array>

namespace computesdk {
namespace detail {
namespace {

constexpr std::array kLanguages = {
    Language{"python", "python3", ".py"}, Language{"node", "node", ".js"}, Language{"bash", "bash", ".sh"},
    Language{"sh", "sh", ".sh"},          Language{"ruby", "ruby", ".rb"}, Language{"perl", "perl", ".pl"},
    Language{"php", "php", ".php"},       Language{"lua", "lua", ".lua"},  Language{"r", "Rscript", ".R"},
};

struct OtherName {
  std::string_view name;
  std::string_view language;
};
constexpr std::array kOtherNames = {
    OtherName{"py", "python"},       OtherName{"python3", "python"}, OtherName{"js", "node"},
    OtherName{"javascript", "node"}, OtherName{"nodejs", "node"},    OtherName{"shell", "sh"},
    OtherName{"rb", "ruby"},         OtherName{"pl", "perl"},
};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool sameWord(std::string_view given, std::string_view known) noexcept {
  return std::ranges::equal(given, known, {}, lower);
}

}  // namespace

std::optional<Language> findLanguage(std::string_view name) noexcept {
  for (const OtherName& other : kOtherNames) {
    if (sameWord(name, other.name)) name = other.language;
  }
  const auto* found = std::ranges::find_if(kLanguages, [&](const Language& l) { return sameWord(name, l.name); });
  if (found == kLanguages.end()) return std::nullopt;
  return *found;
}

}  // namespace detail

std::string_view detectLanguage(std::string_view code) noexcept {
  // The list is ComputeSDK's own, so that code runs as the same language here and there.
  static constexpr std::array<std::string_view, 9> kPython = {"print(", "import ", "def ", "sys.",  "json.",
                                                              "__",     "f\"",     "f'",   "raise "};
  const bool python = std::ranges::any_of(kPython, [&](auto token) { return code.find(token) != code.npos; });
  return python ? "python" : "node";
}

std::span<const std::string_view> knownLanguages() noexcept {
  static constexpr auto kNames = [] {
    std::array<std::string_view, detail::kLanguages.size()> names;
    std::ranges::transform(detail::kLanguages, names.begin(), &detail::Language::name);
    return names;
  }();
  return kNames;
}

}  // namespace computesdk

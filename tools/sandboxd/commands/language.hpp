#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

/// A language that /run/code knows.
struct Language {
  std::string_view name;                    ///< canonical: "python", "node", "bash", …
  std::vector<std::string_view> aliases;    ///< as clients say it, the canonical name among them
  std::vector<std::string_view> programs;   ///< the first that is installed runs it
  std::vector<std::string_view> arguments;  ///< between the program and the file
  std::string_view suffix;                  ///< of the file
};

/// The language of that name, in any case; null for an unknown one.
const Language* languageNamed(std::string_view name);
/// Every name that languageNamed knows, for an error's text.
std::string languageNames();
/// Guesses: "python" when the code looks like it, else "node".
std::string_view detectLanguage(std::string_view code);
/// JavaScript that uses `import … from` or `export` at the beginning of a line: Node wants it in a file .mjs.
bool isModule(std::string_view code);

}  // namespace computesdk::sandboxd

#pragma once

#include <computesdk/result.hpp>

#include "core/units.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::cli {

/// What `VERB --help` says, and what usage errors point to.
struct VerbText {
  std::string_view verb;                   ///< "run", "fs cat"
  std::string_view usage;                  ///< after the verb: "[options] -- CMD ARG…"
  std::string_view summary;                ///< one sentence
  std::vector<std::string_view> examples;  ///< whole command lines
};

/// Takes one value of an option; what it answers says what is wrong with the value.
using Taker = std::function<Result<void>(std::string_view value)>;

Taker takeText(std::string& target);
/// An empty value is refused.
Taker takeWord(std::string& target);
Taker takeTexts(std::vector<std::string>& target);
Taker takeDuration(std::optional<Milliseconds>& target);
Taker takeSize(std::int64_t& target);
Taker takeCpus(std::int64_t& target);
Taker takeInteger(std::int64_t& target, std::int64_t least, std::int64_t most);
Taker takePorts(std::vector<std::uint16_t>& target);
Taker takeKeyValues(StringMap& target);
/// KEY=VALUE, or KEY alone: its value in this program's environment, so that a secret need not stand in argv.
Taker takeVariables(StringMap& target);
/// One of `words`.
Taker takeChoice(std::string& target, std::vector<std::string_view> words);

/// The arguments of one verb: declared, parsed and explained. Not thread-safe. CLI11 does the parsing and is seen by
/// arguments.cpp alone.
class Arguments {
 public:
  explicit Arguments(VerbText text) : text_(std::move(text)) {}

  /// `names` as CLI11 takes them: "-e,--env".
  Arguments& flag(std::string names, bool& target, std::string_view help);
  Arguments& option(std::string names, std::string_view value, Taker taker, std::string_view help);
  /// May be given any number of times.
  Arguments& repeated(std::string names, std::string_view value, Taker taker, std::string_view help);
  /// Known so that it can be refused with the reason and the remedy.
  Arguments& refused(std::string names, std::string_view why, std::string_view fix);
  Arguments& positional(std::string_view name, std::string& target, bool required = true);
  Arguments& positionals(std::string_view name, std::vector<std::string>& target);
  /// Words after "--" are wanted. `required`: it is an error when there are none.
  Arguments& command(std::vector<std::string>& target, bool required = true);

  /// False when help was asked for; the caller prints help(). `words` begin after the verb. Errors: E_USAGE; targets
  /// may have been written to by then.
  Result<bool> parse(std::span<const std::string> words);

  [[nodiscard]] std::string help() const;
  [[nodiscard]] const VerbText& text() const noexcept { return text_; }

 private:
  struct Option {
    std::string names;
    std::string_view value;  ///< empty for a flag
    std::string_view help;   ///< empty for a refused one
    bool* flag = nullptr;
    Taker taker;
    bool repeated = false;
  };
  struct Positional {
    std::string_view name;
    std::string* one = nullptr;
    std::vector<std::string>* all = nullptr;
    bool required = true;
  };
  Result<void> splitCommand(std::span<const std::string>& words);
  [[nodiscard]] ErrorInfo usageError(std::string why, std::string fix = {}) const;
  [[nodiscard]] ErrorInfo unexpected(const std::string& word) const;

  VerbText text_;
  std::vector<Option> options_;
  std::vector<Positional> positionals_;
  std::vector<std::string>* command_ = nullptr;
  bool commandRequired_ = false;
};

}  // namespace computesdk::cli

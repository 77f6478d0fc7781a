#include "core/arguments.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <deque>

namespace computesdk::cli {
namespace {

ErrorInfo bad(std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// A taker that stores what `parse` makes of the value.
template <typename Target, typename Parse>
Taker store(Target& target, Parse parse) {
  return [&target, parse](std::string_view value) -> Result<void> {
    auto parsed = parse(value);
    if (!parsed) return std::move(parsed).error();
    target = std::move(*parsed);
    return {};
  };
}

/// "-e,--env" -> "--env"; the name that messages use.
std::string_view longName(std::string_view names) {
  auto comma = names.rfind(',');
  return comma == std::string_view::npos ? names : names.substr(comma + 1);
}

}  // namespace

Taker takeText(std::string& target) {
  return [&target](std::string_view value) -> Result<void> {
    target = value;
    return {};
  };
}

Taker takeWord(std::string& target) {
  return [&target](std::string_view value) -> Result<void> {
    if (value.empty()) return bad("the value is empty", "give a value, or leave the option out");
    target = value;
    return {};
  };
}

Taker takeTexts(std::vector<std::string>& target) {
  return [&target](std::string_view value) -> Result<void> {
    target.emplace_back(value);
    return {};
  };
}

Taker takeDuration(std::optional<Milliseconds>& target) { return store(target, parseDuration); }
Taker takeSize(std::int64_t& target) { return store(target, parseSize); }
Taker takeCpus(std::int64_t& target) { return store(target, parseCpus); }

Taker takeInteger(std::int64_t& target, std::int64_t least, std::int64_t most) {
  return store(target, [least, most](std::string_view value) { return parseInteger(value, least, most); });
}

Taker takePorts(std::vector<std::uint16_t>& target) {
  return [&target](std::string_view value) -> Result<void> {
    auto port = parsePort(value);
    if (!port) return std::move(port).error();
    target.push_back(*port);
    return {};
  };
}

Taker takeKeyValues(StringMap& target) {
  return [&target](std::string_view value) -> Result<void> {
    auto pair = parseKeyValue(value);
    if (!pair) return std::move(pair).error();
    target.insert_or_assign(std::move(pair->key), std::move(pair->value));
    return {};
  };
}

Taker takeVariables(StringMap& target) {
  return [&target](std::string_view value) -> Result<void> {
    if (value.empty() || value.find('=') != std::string_view::npos) return takeKeyValues(target)(value);
    std::string name(value);
    const char* found = std::getenv(name.c_str());
    if (found == nullptr) {
      return bad("the variable " + printable(name) + " is not set here", "set it, or give its value: -e KEY=VALUE");
    }
    target.insert_or_assign(name, found);
    return {};
  };
}

Taker takeChoice(std::string& target, std::vector<std::string_view> words) {
  return [&target, words = std::move(words)](std::string_view value) -> Result<void> {
    if (std::ranges::find(words, value) == words.end()) {
      std::string list;
      for (std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
      return bad("\"" + printable(value) + "\" is none of its values", "give one of: " + list);
    }
    target = value;
    return {};
  };
}

Arguments& Arguments::flag(std::string names, bool& target, std::string_view help) {
  options_.push_back({std::move(names), {}, help, &target, {}, false});
  return *this;
}

Arguments& Arguments::option(std::string names, std::string_view value, Taker taker, std::string_view help) {
  options_.push_back({std::move(names), value, help, nullptr, std::move(taker), false});
  return *this;
}

Arguments& Arguments::repeated(std::string names, std::string_view value, Taker taker, std::string_view help) {
  options_.push_back({std::move(names), value, help, nullptr, std::move(taker), true});
  return *this;
}

Arguments& Arguments::refused(std::string names, std::string_view why, std::string_view fix) {
  auto refuse = [why = std::string(why), fix = std::string(fix)](std::string_view) -> Result<void> {
    return bad(why, fix);
  };
  options_.push_back({std::move(names), "VALUE", {}, nullptr, refuse, true});
  return *this;
}

Arguments& Arguments::positional(std::string_view name, std::string& target, bool required) {
  positionals_.push_back({name, &target, nullptr, required});
  return *this;
}

Arguments& Arguments::positionals(std::string_view name, std::vector<std::string>& target) {
  positionals_.push_back({name, nullptr, &target, false});
  return *this;
}

Arguments& Arguments::command(std::vector<std::string>& target, bool required) {
  command_ = &target;
  commandRequired_ = required;
  return *this;
}

ErrorInfo Arguments::usageError(std::string why, std::string fix) const {
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.what = "cannot run computesdk " + std::string(text_.verb);
  error.why = std::move(why);
  error.fix = fix.empty() ? "computesdk " + std::string(text_.verb) + " --help" : std::move(fix);
  return error;
}

ErrorInfo Arguments::unexpected(const std::string& word) const {
  if (word.size() > 1 && word.front() == '-') {
    std::string name = word.substr(0, word.find('='));
    std::vector<std::string_view> known = {"--help"};
    for (const Option& option : options_) {
      if (!option.help.empty()) known.push_back(longName(option.names));
    }
    auto near = nearest(name, known);
    return usageError("there is no option " + printable(name),
                      near ? "did you mean " + std::string(*near) + "?" : std::string{});
  }
  if (command_ != nullptr) {
    return usageError(
        "\"" + printable(word) + "\" was not expected here",
        "put the command after --: computesdk " + std::string(text_.verb) + " … -- " + printable(word) + " …");
  }
  return usageError("\"" + printable(word) + "\" was not expected here");
}

Result<void> Arguments::splitCommand(std::span<const std::string>& words) {
  auto dashes = std::ranges::find(words, "--");
  std::vector<std::string> command;
  bool given = dashes != words.end();
  if (given) {
    auto head = static_cast<std::size_t>(dashes - words.begin());
    command.assign(words.begin() + static_cast<std::ptrdiff_t>(head) + 1, words.end());
    words = words.first(head);
  }
  if (command_ == nullptr) {
    if (given && !command.empty()) return usageError("nothing is run here, so there are no words after --");
    return {};
  }
  if (command.empty() && commandRequired_) {
    // A first word that is no option is most likely the command, without the dashes.
    std::string fix = "computesdk " + std::string(text_.verb) + " " + std::string(text_.usage);
    return usageError("there is no command to run after --", fix);
  }
  if (!command.empty() && command.front().empty()) return usageError("the command's name is empty");
  *command_ = std::move(command);
  return {};
}

Result<bool> Arguments::parse(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") return false;
  }
  std::span<const std::string> own = words;
  auto split = splitCommand(own);

  CLI::App app;
  app.set_help_flag();
  std::deque<std::vector<std::string>> values(options_.size());
  std::vector<CLI::Option*> parsed;
  std::size_t index = 0;
  for (Option& option : options_) {
    if (option.flag != nullptr) {
      parsed.push_back(app.add_flag(option.names, *option.flag)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast));
    } else {
      parsed.push_back(app.add_option(option.names, values[index])
                           ->expected(1)
                           ->allow_extra_args(false)
                           ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
    }
    ++index;
  }
  std::vector<std::string> rest;
  app.allow_extras();
  try {
    std::vector<std::string> reversed(own.rbegin(), own.rend());
    app.parse(std::move(reversed));
    rest = app.remaining();
  } catch (const CLI::ParseError& e) {
    return usageError(e.what());
  }

  for (std::size_t i = 0; i < options_.size(); ++i) {
    const Option& option = options_[i];
    if (option.flag != nullptr) continue;
    if (values[i].size() > 1 && !option.repeated) {
      return usageError(
          std::string(longName(option.names)) + " is given " + std::to_string(values[i].size()) + " times",
          "give it once");
    }
    for (const std::string& value : values[i]) {
      if (auto taken = option.taker(value); !taken) {
        ErrorInfo error = usageError(taken.error().why, taken.error().fix);
        error.what = "cannot use " + std::string(longName(option.names));
        return error;
      }
    }
  }

  std::size_t next = 0;
  for (const Positional& positional : positionals_) {
    auto isOption = [](const std::string& word) { return word.size() > 1 && word.front() == '-'; };
    if (positional.all != nullptr) {
      for (; next < rest.size() && !isOption(rest[next]); ++next) positional.all->push_back(rest[next]);
      continue;
    }
    if (next < rest.size() && !isOption(rest[next])) {
      *positional.one = rest[next++];
      if (positional.one->empty()) return usageError(std::string(positional.name) + " is empty");
    } else if (positional.required && next >= rest.size()) {
      return usageError(std::string(positional.name) + " is missing",
                        "computesdk " + std::string(text_.verb) + " " + std::string(text_.usage));
    }
  }
  if (next < rest.size()) return unexpected(rest[next]);
  if (!split) return std::move(split).error();
  return true;
}

std::string Arguments::help() const {
  std::string out = std::string(text_.summary) + "\n";
  if (!text_.examples.empty()) {
    out += "\nExamples:\n";
    for (std::string_view example : text_.examples) out += "  " + std::string(example) + "\n";
  }
  out += "\nUsage: computesdk " + std::string(text_.verb) + " " + std::string(text_.usage) + "\n";
  out += "\nOptions:\n";
  auto line = [&out](std::string head, std::string_view help) {
    static constexpr std::size_t kColumn = 26;
    head = "  " + head;
    auto wide = textWidth(head);
    if (wide + 1 > kColumn) {
      out += head + "\n" + std::string(kColumn, ' ');
    } else {
      out += head + std::string(kColumn - wide, ' ');
    }
    out += std::string(help) + "\n";
  };
  for (const Option& option : options_) {
    if (option.help.empty()) continue;
    std::string names = option.names;
    if (auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
    if (!option.value.empty()) names += " " + std::string(option.value);
    line(names + (option.repeated ? " …" : ""), option.help);
  }
  line("-h, --help", "Show this.");
  return out;
}

}  // namespace computesdk::cli

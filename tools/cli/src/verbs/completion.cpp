#include <algorithm>

#include "core/failure.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// completion bash | zsh | fish: a script that asks this program, so that it cannot fall behind it.
namespace computesdk::cli {
namespace {

/// Words that may follow `group` ("" for the first word), one a line.
std::string nextWords(std::string_view group) {
  std::vector<std::string_view> found;
  for (const Verb& verb : verbs()) {
    std::string_view name = verb.name;
    if (!group.empty()) {
      if (!name.starts_with(group) || name.size() <= group.size() || name[group.size()] != ' ') continue;
      name.remove_prefix(group.size() + 1);
    }
    name = name.substr(0, name.find(' '));
    if (std::ranges::find(found, name) == found.end()) found.push_back(name);
  }
  std::string words;
  for (std::string_view word : found) words += std::string(words.empty() ? "" : " ") + std::string(word);
  return words;
}

std::vector<std::string_view> groups() {
  std::vector<std::string_view> found;
  for (const Verb& verb : verbs()) {
    const std::size_t space = verb.name.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view group = verb.name.substr(0, space);
    if (std::ranges::find(found, group) == found.end()) found.push_back(group);
  }
  return found;
}

/// Verbs whose first word after the verb is a sandbox.
bool takesSandbox(const Verb& verb) { return verb.usage.starts_with("SB"); }

std::string sandboxVerbs(std::string_view separator) {
  std::string names;
  for (const Verb& verb : verbs()) {
    if (takesSandbox(verb)) names += (names.empty() ? "" : std::string(separator)) + "'" + std::string(verb.name) + "'";
  }
  return names;
}

/// Functions of bash and zsh alike: what may stand next, one a line.
std::string shellFunctions() {
  std::string script =
      "# What may follow the words given, one a line; the last one is being typed.\n"
      "_computesdk_words() {\n"
      "  local verb=$1 skip=1\n"
      "  [ $# -le 1 ] && { printf '%s\\n' ";
  script += nextWords("") + "; return; }\n  case \"$verb\" in\n";
  for (std::string_view group : groups()) {
    script += "    " + std::string(group) + ")\n      [ $# -le 2 ] && { printf '%s\\n' " + nextWords(group) +
              "; return; }\n      verb=\"$1 $2\" skip=2 ;;\n";
  }
  script +=
      "  esac\n"
      "  local last\n"
      "  for last in \"$@\"; do [ \"$last\" = -- ] && return; done\n"
      "  case \"$last\" in -*)\n"
      "    computesdk \"${@:1:$skip}\" --help 2>/dev/null | sed -n 's/^  \\(-.\\)\\{0,1\\},\\{0,1\\} "
      "*\\(--[a-z-]*\\).*/\\2/p'\n"
      "    return ;;\n"
      "  esac\n"
      "  [ $# -eq $((skip + 1)) ] && case \"$verb\" in\n    ";
  script += sandboxVerbs("|") +
            ") computesdk ls -q 2>/dev/null ;;\n"
            "    help) printf '%s\\n' " +
            nextWords("") +
            " ;;\n"
            "    completion) printf '%s\\n' bash zsh fish ;;\n"
            "  esac\n"
            "}\n";
  return script;
}

std::string bashScript() {
  return "# computesdk completion for bash: source <(computesdk completion bash)\n" + shellFunctions() +
         "_computesdk() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]}\n"
         "  COMPREPLY=($(compgen -W \"$(_computesdk_words \"${COMP_WORDS[@]:1:COMP_CWORD}\")\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _computesdk computesdk\n";
}

std::string zshScript() {
  return "#compdef computesdk\n# computesdk completion for zsh: source <(computesdk completion zsh)\n" +
         shellFunctions() +
         "_computesdk() {\n"
         "  local -a found\n"
         "  found=(${(f)\"$(_computesdk_words \"${(@)words[2,CURRENT]}\")\"})\n"
         "  if (( $#found )); then compadd -- $found; else _files; fi\n"
         "}\n"
         "compdef _computesdk computesdk\n";
}

std::string fishScript() {
  std::string script =
      "# computesdk completion for fish: computesdk completion fish | source\n"
      "complete -c computesdk -f\n";
  const auto line = [&script](const std::string& condition, std::string_view words, std::string_view summary) {
    script += "complete -c computesdk -n '" + condition + "' -a '" + std::string(words) + "'";
    if (!summary.empty()) {
      std::string text(summary);
      for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
      script += " -d '" + text + "'";
    }
    script += "\n";
  };
  for (const Verb& verb : verbs()) {
    const std::size_t space = verb.name.find(' ');
    if (space == std::string_view::npos) {
      line("__fish_use_subcommand", verb.name, verb.summary);
    } else {
      const std::string group(verb.name.substr(0, space));
      line("__fish_seen_subcommand_from " + group, verb.name.substr(space + 1), verb.summary);
    }
    if (takesSandbox(verb) && space == std::string_view::npos) {
      line("__fish_seen_subcommand_from " + std::string(verb.name), "(computesdk ls -q 2>/dev/null)", "sandbox");
    }
  }
  for (std::string_view group : groups()) line("__fish_use_subcommand", group, "");
  script +=
      "complete -c computesdk -n 'not __fish_use_subcommand' -a '(computesdk (commandline -opc)[2..-1] --help "
      "2>/dev/null "
      "| string match -rg \"^  (?:-., )?(--[a-z-]+)\")'\n";
  return script;
}

}  // namespace

int completionVerb(std::span<const std::string> words) {
  std::string shell;
  Arguments arguments({"completion",
                       "bash|zsh|fish",
                       "Print a script that completes verbs, options and sandboxes in that shell.",
                       {"source <(computesdk completion bash)", "computesdk completion zsh > ~/.zfunc/_computesdk",
                        "computesdk completion fish > ~/.config/fish/completions/computesdk.fish"}});
  arguments.positional("SHELL", shell);
  if (auto code = parseWords(arguments, words)) return *code;
  if (shell == "bash") {
    print(bashScript());
  } else if (shell == "zsh") {
    print(zshScript());
  } else if (shell == "fish") {
    print(fishScript());
  } else {
    return fail(usageFailure("cannot complete for \"" + printable(shell) + "\"", "it is none of bash, zsh and fish",
                             "computesdk completion bash"),
                false);
  }
  return 0;
}

}  // namespace computesdk::cli

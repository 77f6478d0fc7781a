#include "verbs/verbs.hpp"

#include <algorithm>
#include <array>

#include "core/failure.hpp"
#include "core/terminal.hpp"

namespace computesdk::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{"run", "[options] -- CMD ARG…", "Run a command in a fresh sandbox, destroyed at the end.", runVerb},
    Verb{"create", "[options]", "Make a sandbox that stays; prints its id.", createVerb},
    Verb{"ensure", "NS/NAME [options]", "The sandbox of that name, made if there is none; prints its id.", ensureVerb},
    Verb{"find", "NS/NAME [options]", "The id of the sandbox of that name; exit 1 if there is none.", findVerb},
    Verb{"exec", "SB [options] -- CMD ARG…", "Run a command in a sandbox that is there.", execVerb},
    Verb{"shell", "SB [options]", "A shell in a sandbox, on this terminal.", shellVerb},
    Verb{"ps", "SB [options]", "List commands that were left running.", psVerb},
    Verb{"logs", "SB ID [options]", "What a command that was left running has written.", logsVerb},
    Verb{"attach", "SB ID [options]", "Join a command that was left running.", attachVerb},
    Verb{"kill", "SB ID [options]", "Send a signal to a command that was left running.", killVerb},
    Verb{"code", "SB|--provider P [options] FILE|-", "Run a file of source code.", codeVerb},
    Verb{"ls", "[options]", "List sandboxes.", lsVerb},
    Verb{"inspect", "SB [options]", "Everything that is known of a sandbox.", inspectVerb},
    Verb{"stats", "SB [options]", "What a sandbox uses now.", statsVerb},
    Verb{"url", "SB PORT [options]", "The address at which a port of the sandbox is reached.", urlVerb},
    Verb{"extend", "SB DUR [options]", "Let a sandbox live longer: DUR from now.", extendVerb},
    Verb{"rm", "SB…|--all [options]", "Destroy sandboxes.", rmVerb},
    Verb{"cp", "SRC DST [options]", "Copy files or folders in or out; SB:/PATH on one side.", cpVerb},
    Verb{"fs cat", "SB PATH [options]", "Print a file of the sandbox.", fsCatVerb},
    Verb{"fs write", "SB PATH [options]", "Write stdin to a file of the sandbox.", fsWriteVerb},
    Verb{"fs ls", "SB PATH [options]", "List a folder of the sandbox.", fsLsVerb},
    Verb{"fs stat", "SB PATH [options]", "What a path of the sandbox is.", fsStatVerb},
    Verb{"fs mkdir", "SB PATH [options]", "Make a folder with its parents.", fsMkdirVerb},
    Verb{"fs rm", "SB PATH [options]", "Remove a file, or with -r a folder.", fsRmVerb},
    Verb{"fs exists", "SB PATH [options]", "Exit 0 if the path is there, 1 if not.", fsExistsVerb},
    Verb{"snapshot create", "SB [options]", "Keep what a sandbox has on its disk.", snapshotCreateVerb},
    Verb{"snapshot list", "[options]", "Snapshots that a provider keeps.", snapshotListVerb},
    Verb{"snapshot rm", "ID… [options]", "Remove snapshots.", snapshotRmVerb},
    Verb{"provider list", "[options]", "Providers on this machine.", providerListVerb},
    Verb{"provider detect", "[options]", "Which provider is chosen, and why.", providerDetectVerb},
    Verb{"provider info", "NAME [options]", "What a provider needs and can do.", providerInfoVerb},
    Verb{"provider search-path", "[options]", "Folders where providers are looked for.", providerSearchPathVerb},
    Verb{"provider trust", "FILE [options]", "Let a plug-in run inside programs of yours.", providerTrustVerb},
    Verb{"gateway serve", "[options]", "Serve sandboxes to ComputeSDK clients over HTTP.", gatewayServeVerb},
    Verb{"gateway key", "create|list|revoke [options]", "The API keys of a gateway.", gatewayKeyVerb},
    Verb{"doctor", "[options]", "What this machine can give, and what is missing.", doctorVerb},
    Verb{"help", "[VERB|CODE]", "Explain a verb, or an error code such as E_UNSUPPORTED.", helpVerb},
    Verb{"completion", "bash|zsh|fish", "Print a script that completes words in that shell.", completionVerb},
    Verb{"version", "[options]", "The version.", versionVerb},
};

std::optional<int> parse(Arguments& arguments, std::span<const std::string> words, bool command) {
  auto parsed = arguments.parse(words);
  if (!parsed) {
    auto own = words.first(static_cast<std::size_t>(std::ranges::find(words, "--") - words.begin()));
    bool json = std::ranges::find(own, "--json") != own.end();
    int code = fail(parsed.error(), json);
    return command ? kOurFailure : code;
  }
  if (*parsed) return std::nullopt;
  print(arguments.help());
  return 0;
}

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }

std::optional<int> parseWords(Arguments& arguments, std::span<const std::string> words) {
  return parse(arguments, words, false);
}

std::optional<int> parseCommandWords(Arguments& arguments, std::span<const std::string> words) {
  return parse(arguments, words, true);
}

std::string overview() {
  std::string out =
      "computesdk runs untrusted code in sandboxes, on this machine or at a provider.\n"
      "\n"
      "Examples:\n"
      "  computesdk run -- python3 -c 'print(6*7)'\n"
      "  computesdk create --ttl 30m\n"
      "  computesdk exec SB -- make test\n"
      "\n"
      "Usage: computesdk VERB [options]\n"
      "\n"
      "SB is a sandbox's id, or NS/NAME (the namespace \"default\" may be left out).\n"
      "\n"
      "Verbs:\n";
  static constexpr std::size_t kColumn = 24;
  for (const Verb& verb : kVerbs) {
    out += "  " + std::string(verb.name) + std::string(kColumn - 2 - verb.name.size(), ' ') +
           std::string(verb.summary) + "\n";
  }
  out += "\ncomputesdk VERB --help explains a verb.\n";
  return out;
}

}  // namespace computesdk::cli

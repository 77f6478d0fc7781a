#include <unistd.h>

#include <cerrno>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

/// Asks on the terminal. Anything but a yes is a no.
bool confirmed(const std::string& question) {
  printErr(question + " [y/N] ");
  char answer[16] = {};
  ssize_t got;
  do {
    got = read(STDIN_FILENO, answer, sizeof answer - 1);
  } while (got < 0 && errno == EINTR && interrupted() == 0);
  return got > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

/// Every sandbox is tried; the first failure decides the exit code.
int removeAll(Session& session, const CommonFlags& common, bool yes) {
  auto all = session.sandboxes().list(nothrow, {.provider = common.provider, .stop = stopToken()});
  if (!all) return fail(all.error(), common.json);
  if (all->empty()) return 0;
  if (!yes && terminal().stdinIsTerminal && terminal().stderrIsTerminal &&
      !confirmed("Destroy " + std::to_string(all->size()) + " sandboxes?")) {
    return 1;
  }
  int code = 0;
  for (const SandboxInfo& info : *all) {
    auto destroyed = session.sandboxes().destroy(nothrow, info.id, {.provider = info.provider, .stop = stopToken()});
    if (destroyed) {
      print(printable(info.id) + "\n");
    } else if (int failed = fail(destroyed.error(), common.json); code == 0) {
      code = failed;
    }
    if (interrupted() != 0) return 128 + interrupted();
  }
  return code;
}

}  // namespace

int rmVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::vector<std::string> names;
  bool all = false;
  bool yes = false;
  Arguments arguments({"rm",
                       "SB…|--all [options]",
                       "Destroy sandboxes. Prints what was destroyed.",
                       {"computesdk rm ci/build", "computesdk rm SB1 SB2", "computesdk rm --all --provider local"}});
  arguments.flag("--all", all, "Every sandbox that ls shows; asks on a terminal.");
  arguments.flag("-y,--yes", yes, "Do not ask.");
  addCommonFlags(arguments, common, true, false);
  arguments.positionals("SB", names);
  if (auto code = parseWords(arguments, words)) return *code;
  if (all == !names.empty()) {
    return fail(
        usageFailure("cannot run computesdk rm", all ? "--all and a sandbox exclude each other" : "no sandbox is named",
                     "computesdk rm SB, or computesdk rm --all"),
        false);
  }
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), false);
  if (all) return removeAll(*session, common, yes);
  int code = 0;
  for (const std::string& name : names) {
    auto sandbox = session->find(name);
    Result<void> destroyed =
        sandbox ? sandbox->destroy(nothrow, stopToken()) : Result<void>(std::move(sandbox).error());
    if (destroyed) {
      print(name + "\n");
    } else if (int failed = fail(destroyed.error(), false); code == 0) {
      code = failed;
    }
    if (interrupted() != 0) return 128 + interrupted();
  }
  return code;
}

}  // namespace computesdk::cli

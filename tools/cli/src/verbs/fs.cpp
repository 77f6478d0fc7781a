#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/table.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// fs cat | write | ls | stat | mkdir | rm | exists: one path of one sandbox each.
namespace computesdk::cli {
namespace {

/// What the fs verbs share: SB and PATH, then the sandbox's files.
struct FsCall {
  CommonFlags common;
  std::string sandbox;
  std::string path;
  std::optional<Session> session;
  std::optional<Sandbox> found;

  std::optional<int> parse(Arguments& arguments, std::span<const std::string> words) {
    addCommonFlags(arguments, common);
    arguments.positional("SB", sandbox).positional("PATH", path);
    return parseWords(arguments, words);
  }

  Result<Filesystem> open() {
    catchSignals();
    auto opened = Session::open(common);
    if (!opened) return std::move(opened).error();
    session.emplace(std::move(*opened));
    auto sandboxFound = session->find(sandbox);
    if (!sandboxFound) return std::move(sandboxFound).error();
    found.emplace(std::move(*sandboxFound));
    return found->filesystem();
  }
};

/// The failure with a remedy where the provider gave none.
int failAt(const FsCall& call, ErrorInfo error, const std::string& remedy = {}) {
  if (error.fix.empty() && !remedy.empty()) error.fix = remedy;
  error = withLook(std::move(error), call.sandbox, call.path);
  return fail(error, call.common.json);
}

std::string modeText(std::uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode & 07777U);
  return text;
}

}  // namespace

int fsCatVerb(std::span<const std::string> words) {
  FsCall call;
  Arguments arguments({"fs cat",
                       "SB PATH [options]",
                       "Print a file of the sandbox, byte by byte.",
                       {"computesdk fs cat ci/build /work/result.json", "computesdk fs cat SB /etc/passwd | wc -l",
                        "computesdk fs cat SB notes.txt"}});
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  int failure = 0;
  ByteSink sink = [&failure](std::span<const std::byte> bytes) {
    if (failure != 0 || writeAll(STDOUT_FILENO, bytes) || interrupted() != 0) return;
    failure = errno;
    stop(SIGPIPE);
  };
  auto done = files->download(nothrow, call.path, sink, {.stop = stopToken()});
  if (failure != 0 && failure != EPIPE) return fail(fileFailure("write to", "stdout", failure), false);
  return done ? 0 : failAt(call, done.error());
}

int fsWriteVerb(std::span<const std::string> words) {
  FsCall call;
  Arguments arguments({"fs write",
                       "SB PATH [options]",
                       "Write stdin to a file of the sandbox. Readers see the old content or the new, never a part.",
                       {"echo hello | computesdk fs write SB /tmp/hello", "computesdk fs write SB run.sh <run.sh",
                        "curl -s URL | computesdk fs write SB /work/data"}});
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  int failure = 0;
  ByteSource source = [&failure](std::span<std::byte> buffer) -> std::size_t {
    for (;;) {
      ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR && interrupted() == 0) continue;
      failure = errno;
      // Half of the input must not look like a whole file.
      ErrorInfo error = fileFailure("read", "stdin", failure);
      if (interrupted() != 0) error.code = ErrorCode::cancelled;
      throw Error(std::move(error));
    }
  };
  try {
    auto done = files->upload(nothrow, source, call.path, {.stop = stopToken()});
    return done ? 0 : fail(done.error(), call.common.json);
  } catch (const Error& e) {
    return fail(e.info(), call.common.json);
  }
}

int fsLsVerb(std::span<const std::string> words) {
  FsCall call;
  bool longForm = false;
  Arguments arguments({"fs ls",
                       "SB PATH [options]",
                       "List a folder of the sandbox.",
                       {"computesdk fs ls SB /work", "computesdk fs ls -l SB .",
                        "computesdk fs ls SB /tmp --json | jq -r '.[].name'"}});
  arguments.flag("-l,--long", longForm, "Mode, size and time too.");
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  auto entries = files->readdir(nothrow, call.path, stopToken());
  if (!entries) return failAt(call, entries.error());
  if (call.common.json) {
    JsonWriter json;
    json.beginArray();
    for (const FileEntry& entry : *entries) {
      json.beginObject();
      writeEntry(json, entry);
      json.endObject();
    }
    print(json.endArray().str() + "\n");
    return 0;
  }
  if (longForm) {
    Table table({"TYPE", "MODE", "SIZE", "MODIFIED", "NAME"});
    for (const FileEntry& entry : *entries) {
      table.add({std::string(toString(entry.type)), entry.mode != 0 ? modeText(entry.mode) : "",
                 entry.size >= 0 ? std::to_string(entry.size) : "",
                 entry.modifiedAt ? formatTime(*entry.modifiedAt) : "",
                 entry.linkTarget.empty() ? entry.name : entry.name + " -> " + entry.linkTarget});
    }
    print(table.str());
    return 0;
  }
  std::string out;
  for (const FileEntry& entry : *entries) {
    // A terminal would obey what a hostile name says; a pipe wants the name as it is.
    out += (terminal().stdoutIsTerminal ? printable(entry.name) : entry.name) + "\n";
  }
  print(out);
  return 0;
}

int fsStatVerb(std::span<const std::string> words) {
  FsCall call;
  bool noFollow = false;
  Arguments arguments({"fs stat",
                       "SB PATH [options]",
                       "What a path of the sandbox is.",
                       {"computesdk fs stat SB /work/out.tar", "computesdk fs stat SB /bin --no-follow",
                        "computesdk fs stat SB /work --json"}});
  arguments.flag("--no-follow", noFollow, "A link itself, not what it points to.");
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  auto entry = files->stat(nothrow, call.path, !noFollow, stopToken());
  if (!entry) return failAt(call, entry.error());
  if (call.common.json) {
    JsonWriter json;
    json.beginObject();
    writeEntry(json, *entry);
    print(json.endObject().str() + "\n");
    return 0;
  }
  std::string out = "path:      " + printable(entry->path.empty() ? call.path : entry->path) + "\n";
  out += "type:      " + std::string(toString(entry->type)) + "\n";
  if (entry->size >= 0) out += "size:      " + std::to_string(entry->size) + "\n";
  if (entry->mode != 0) out += "mode:      " + modeText(entry->mode) + "\n";
  if (entry->modifiedAt) out += "modified:  " + formatTime(*entry->modifiedAt) + "\n";
  if (!entry->owner.empty()) out += "owner:     " + printable(entry->owner) + "\n";
  if (!entry->group.empty()) out += "group:     " + printable(entry->group) + "\n";
  if (!entry->linkTarget.empty()) out += "points to: " + printable(entry->linkTarget) + "\n";
  print(out);
  return 0;
}

int fsMkdirVerb(std::span<const std::string> words) {
  FsCall call;
  Arguments arguments({"fs mkdir",
                       "SB PATH [options]",
                       "Make a folder with its parents; one that is there is fine.",
                       {"computesdk fs mkdir SB /work/a/b", "computesdk fs mkdir ci/build out",
                        "computesdk fs mkdir SB /tmp/x --provider local"}});
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  auto made = files->mkdir(nothrow, call.path, true, stopToken());
  return made ? 0 : fail(made.error(), call.common.json);
}

int fsRmVerb(std::span<const std::string> words) {
  FsCall call;
  bool recursive = false;
  Arguments arguments({"fs rm",
                       "SB PATH [options]",
                       "Remove a file, or with -r a folder with all that is in it.",
                       {"computesdk fs rm SB /tmp/hello", "computesdk fs rm -r SB /work/build",
                        "computesdk fs rm ci/build result.json"}});
  arguments.flag("-r,--recursive", recursive, "Folders too, with all that is in them.");
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return fail(files.error(), call.common.json);
  auto removed = files->remove(nothrow, call.path, recursive, stopToken());
  if (removed) return 0;
  bool folder = !recursive && removed.error().code == ErrorCode::precondition;
  return failAt(call, removed.error(), folder ? "a folder goes with all that is in it: computesdk fs rm -r" : "");
}

int fsExistsVerb(std::span<const std::string> words) {
  FsCall call;
  Arguments arguments(
      {"fs exists",
       "SB PATH [options]",
       "Exit 0 if the path is there, 1 if it is not, 2 or more if that cannot be said. Prints nothing.",
       {"computesdk fs exists SB /work/done && echo finished",
        "until computesdk fs exists SB /tmp/ready; do sleep 1; done", "computesdk fs exists ci/build out --json"}});
  if (auto code = call.parse(arguments, words)) return *code;
  auto files = call.open();
  if (!files) return failPredicate(files.error(), call.common.json);
  auto there = files->exists(nothrow, call.path, stopToken());
  if (!there) return failPredicate(there.error(), call.common.json);
  if (call.common.json) print(*there ? "true\n" : "false\n");
  return *there ? 0 : 1;
}

}  // namespace computesdk::cli

// From a command as the caller says it to init's frame, and from init's answer back.
#include <errno.h>

#include <algorithm>
#include <string_view>

#include "sandbox_state.hpp"

namespace computesdk::local {
namespace {

Error invalid(std::string message, std::string fix) {
  Error error;
  error.kind = ErrorClass::kInvalidArgument;
  error.message = std::move(message);
  error.fix = std::move(fix);
  return error;
}

bool hasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// Later lists win over earlier ones.
void merge(Pairs& into, const Pairs& from) {
  for (const auto& [name, value] : from) {
    bool known = false;
    for (auto& [ownName, ownValue] : into) {
      if (ownName == name) {
        ownValue = value;
        known = true;
        break;
      }
    }
    if (!known) into.emplace_back(name, value);
  }
}

Pairs baseEnvironment(const Meta& meta, bool pty) {
  const bool isolated = meta.isolation == Isolation::kNamespaces;
  return {
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", isolated ? "/home/sandbox" : meta.workdir},
      {"USER", "sandbox"},
      {"LC_CTYPE", "C.UTF-8"},  // all of C.UTF-8 that is not C, and one file for a command to load in place of twelve
      {"TERM", pty ? "xterm-256color" : "dumb"}};
}

}  // namespace

Result<std::vector<char>> execBody(const SandboxState& state, const CommandLine& command, std::uint32_t flags,
                                   std::optional<PtySize> pty) {
  if (command.argv.empty() == command.shell.empty()) {
    return invalid("A command is either a list of words or a shell line", "Give exactly one of the two.");
  }
  const std::vector<std::string> shell = {"/bin/sh", "-c", command.shell};
  const std::vector<std::string>& argv = command.argv.empty() ? shell : command.argv;
  if (argv[0].empty()) return invalid("The command's name is empty", "Give the program's name as the first word.");
  Pairs env = baseEnvironment(state.meta, pty.has_value());
  merge(env, state.meta.envs);
  merge(env, command.env);
  std::size_t size = sizeof(protocol::ExecBody) + command.cwd.size() + 8;
  for (const std::string& word : argv) size += word.size() + 5;
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      return invalid("The environment variable name \"" + name + "\" is not valid",
                     "Names are not empty and have no '='.");
    }
    size += name.size() + value.size() + 6;
  }
  if (size > protocol::kMaxBody || argv.size() + env.size() > protocol::kMaxArguments) {
    return invalid("The command line and its environment are too long",
                   "Stay below 4 MiB and 16384 words; put large input into a file or on stdin.");
  }
  std::vector<char> body(size);
  protocol::Writer writer(body.data(), body.size());
  protocol::ExecBody head{};
  head.flags = flags | (pty ? std::uint32_t{protocol::kExecPty} : 0U);
  head.columns = pty ? pty->columns : 0;
  head.rows = pty ? pty->rows : 0;
  head.arguments = static_cast<std::uint32_t>(argv.size());
  head.variables = static_cast<std::uint32_t>(env.size());
  head.timeoutMs = static_cast<std::uint64_t>(std::max<std::int64_t>(command.timeout.count(), 0));
  writer.pod(head);
  std::string cwd = command.cwd;
  if (!cwd.empty() && cwd[0] != '/') cwd = state.meta.workdir + "/" + cwd;
  if (cwd.size() > 4095 || hasNul(cwd)) return invalid("The working folder is not a valid path", "Give a shorter one.");
  body.resize(body.size() + cwd.size());
  writer = protocol::Writer(body.data(), body.size());
  writer.pod(head);
  writer.text(cwd.data(), cwd.size());
  for (const std::string& word : argv) {
    if (hasNul(word)) return invalid("A word of the command holds a NUL byte", "Pass such data on stdin or in a file.");
    writer.text(word.data(), word.size());
  }
  for (const auto& [name, value] : env) {
    const std::string entry = name + "=" + value;
    if (hasNul(entry)) return invalid("The environment variable " + name + " holds a NUL byte", "Remove it.");
    writer.text(entry.data(), entry.size());
  }
  body.resize(writer.size());
  return body;
}

Result<ExitStatus> toStatus(const protocol::ExitBody& exit, const std::string& cwd) {
  ExitStatus status;
  status.outOfMemory = exit.outOfMemory != 0;
  status.userMicroseconds = exit.userMicroseconds;
  status.systemMicroseconds = exit.systemMicroseconds;
  status.maxRssBytes = exit.maxRssBytes;
  status.value = exit.value;
  switch (exit.ending) {
    case protocol::Ending::kCode: status.kind = ExitKind::kCode; return status;
    case protocol::Ending::kTimeout: status.kind = ExitKind::kTimeout; return status;
    case protocol::Ending::kSignal: status.kind = ExitKind::kSignal; return status;
    case protocol::Ending::kNotFound:
      status.kind = ExitKind::kCode;
      status.value = 127;
      return status;
    case protocol::Ending::kNotExecutable:
      status.kind = ExitKind::kCode;
      status.value = 126;
      return status;
    case protocol::Ending::kBadFolder: {
      Error error = systemError(exit.value, "The working folder " + cwd + " cannot be entered",
                                "Make it first, or give another one.");
      return error;
    }
    case protocol::Ending::kCannotFork:
      return systemError(exit.value, "The sandbox could not start the command",
                         "It is full: end processes inside, or create it with higher limits.");
    default: status.kind = ExitKind::kUnknown; return status;
  }
}

}  // namespace computesdk::local

#include <computesdk/process.hpp>

#include "commands/run.hpp"
#include "core/errors.hpp"
#include "core/sandbox_state.hpp"
#include "core/validate.hpp"

#include <algorithm>

namespace computesdk {
namespace detail {
namespace {

constexpr std::string_view kNoProcesses = "its commands end with the call that runs them";

/// Calls one of process/1's functions, if the provider has them.
template <typename F>
auto processCall(SandboxState& sandbox, std::string_view method, const std::stop_token& stop, Deadline deadline, F&& f)
    -> decltype(f(std::declval<const registry::Target&>(), std::declval<const registry::CallContext&>())) {
  if (!sandbox.features().process)
    return methodUnsupported(sandbox.provider().name(), method, std::string(kNoProcesses));
  return sandbox.call(stop, deadline, std::forward<F>(f));
}

}  // namespace

Result<void> writeToProcess(SandboxState& sandbox, std::string_view id, std::span<const std::byte> bytes,
                            const std::stop_token& stop) {
  constexpr std::size_t kPiece = 256 * 1024;
  do {
    const auto piece = bytes.first(std::min(bytes.size(), kPiece));
    auto written = processCall(sandbox, "writing to processes", stop, std::nullopt,
                               [&](const registry::Target& target, const registry::CallContext& context) {
                                 return sandbox.provider().processWrite(target, id, piece, false, context);
                               });
    if (!written) return written;
    bytes = bytes.subspan(piece.size());
  } while (!bytes.empty());
  return {};
}

}  // namespace detail

using detail::deadlineIn;
using detail::kControlTime;
using registry::CallContext;
using registry::Target;

Result<ExitStatus> Process::attach(Nothrow, const AttachOptions& options) {
  const registry::OutputFunction output = [&options](OutputStream stream, std::span<const std::byte> bytes) {
    if (options.onOutput) options.onOutput(stream, bytes);
  };
  return detail::processCall(
      *state_, "attaching to processes", options.stop, std::nullopt,
      [&](const Target& target, const CallContext& context) {
        return state_->provider().processAttach(target, id_, {options.offset, !options.follow}, output, context);
      });
}

Result<ExitStatus> Process::wait(Nothrow, std::stop_token stop) {
  return detail::processCall(*state_, "waiting for processes", stop, std::nullopt,
                             [&](const Target& target, const CallContext& context) {
                               return state_->provider().processWait(target, id_, context);
                             });
}

Result<void> Process::write(Nothrow, std::span<const std::byte> bytes, std::stop_token stop) {
  return detail::writeToProcess(*state_, id_, bytes, stop);
}

Result<void> Process::closeInput(Nothrow, std::stop_token stop) {
  return detail::processCall(*state_, "writing to processes", stop, deadlineIn(kControlTime),
                             [&](const Target& target, const CallContext& context) {
                               return state_->provider().processWrite(target, id_, {}, true, context);
                             });
}

Result<void> Process::signal(Nothrow, int number, bool group, std::stop_token stop) {
  if (number < 1 || number > 64) return detail::invalidArgument("cannot signal a process", "there is no such signal");
  return detail::processCall(*state_, "signalling processes", stop, deadlineIn(kControlTime),
                             [&](const Target& target, const CallContext& context) {
                               return state_->provider().processSignal(target, id_, number, group, context);
                             });
}

Result<void> Process::resize(Nothrow, std::uint32_t columns, std::uint32_t rows, std::stop_token stop) {
  if (columns == 0 || rows == 0 || columns > 65535 || rows > 65535) {
    return detail::invalidArgument("cannot resize a terminal", "columns and rows are from 1 to 65535");
  }
  return detail::processCall(*state_, "terminals", stop, deadlineIn(kControlTime),
                             [&](const Target& target, const CallContext& context) {
                               return state_->provider().processResize(target, id_, columns, rows, context);
                             });
}

Result<Process> Processes::start(Nothrow, const CommandLine& command, const ProcessOptions& options) {
  constexpr std::string_view kWhat = "cannot start a process";
  if (auto checked = detail::checkCommand(kWhat, command); !checked) return std::move(checked).error();
  if (auto checked = detail::checkDirectory(kWhat, options.cwd); !checked) return std::move(checked).error();
  if (auto checked = detail::checkEnvironment(kWhat, options.env); !checked) return std::move(checked).error();
  if (options.timeout && options.timeout->count() < 0) {
    return detail::invalidArgument(std::string(kWhat), "the timeout is negative", "give 0 for none");
  }
  if (options.pty && state_->features().process && !state_->features().pty) {
    return detail::methodUnsupported(state_->provider().name(), "terminals", "its processes have none");
  }
  registry::ProcessStart start;
  start.exec.argv = command.argv();
  start.exec.command = command.command();
  start.exec.cwd = options.cwd;
  if (!options.env.empty()) start.exec.env = &options.env;
  if (options.timeout) start.exec.timeout = *options.timeout;
  if (!options.options.empty()) start.exec.options = &options.options;
  start.keepStdin = options.keepStdin || options.pty;
  start.pty = options.pty;
  start.columns = options.columns;
  start.rows = options.rows;
  start.tag = options.tag;
  auto started = detail::processCall(*state_, "background processes", options.stop, deadlineIn(kControlTime),
                                     [&](const Target& target, const CallContext& context) {
                                       return state_->provider().processStart(target, start, context);
                                     });
  if (!started) return std::move(started).error();
  return Process(state_, std::move(started->id));
}

Result<std::vector<ProcessInfo>> Processes::list(Nothrow, std::stop_token stop) {
  return detail::processCall(*state_, "listing processes", stop, deadlineIn(kControlTime),
                             [&](const Target& target, const CallContext& context) {
                               return state_->provider().processList(target, context);
                             });
}

Process Processes::get(std::string id) const { return Process(state_, std::move(id)); }

}  // namespace computesdk

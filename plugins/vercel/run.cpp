#include "vercel/run.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/upload.hpp"
#include "vercel/scripts.hpp"
#include "vercel/stream.hpp"

namespace computesdk::vercel {
namespace {

using plugin::view;
using vendor::JsonValue;

/// Time that Vercel gives a command beyond ours, should this program be gone by then.
constexpr std::int64_t kGraceMs = 2000;
/// Input up to here goes along with the command; words of a command line have a longest length, so it is cut.
constexpr std::size_t kAlongMax = std::size_t{256} << 10;
constexpr std::size_t kWordMax = std::size_t{48} << 10;

/// A command's stdin on its way: one piece at a time, so that they stay in order.
class InputSender {
 public:
  InputSender(Machine& machine, const csdk_exec_args& args, std::string key)
      : machine_(machine), pump_(machine.session(), plugin::Input(args)), key_(std::move(key)) {}

  /// Sends what is there, as far as the command takes it. Cheap when there is nothing to do.
  void send() {
    if (pouring_ && pouring_->over()) {
      pouring_->check();
      pouring_.reset();
    }
    if (pouring_ || done_) return;
    if (pump_.next(piece_)) {
      pouring_.emplace(machine_, pourBody(key_, piece_), nullptr);
    } else if (pump_.ended()) {
      done_ = true;
      pouring_.emplace(machine_, closeBody(key_), nullptr);
    }
  }

 private:
  Machine& machine_;
  vendor::InputPump pump_;
  const std::string key_;
  std::string piece_;
  std::optional<CommandStream> pouring_;
  bool done_ = false;
};

/// Kills a command that was given up. `begun`: it is known to have started; else it may be about to.
void killQuietly(Machine& machine, std::string_view key, bool begun) {
  try {
    signalCommand(machine, key, 9, !begun);
  } catch (const plugin::Error& error) {
    machine.session().call().log(CSDK_LOG_WARN,
                                 std::string("a command that was given up may still run: ") + error.what());
  }
}

std::vector<std::string> withInput(const csdk_exec_args& args, const std::string& key) {
  std::vector<std::string> argv = {"sh", "-c"};
  if (args.source != nullptr || args.input.size > kAlongMax) {
    argv.insert(argv.end(), {std::string(kWithInput), "sh", key});
  } else {
    std::vector<std::string> words;
    for (std::string_view rest = plugin::text(args.input); !rest.empty();) {
      words.push_back(vendor::base64Encode(rest.substr(0, kWordMax)));
      rest.remove_prefix(std::min(kWordMax, rest.size()));
    }
    argv.insert(argv.end(), {std::string(kWithWords), "sh", std::to_string(words.size())});
    argv.insert(argv.end(), words.begin(), words.end());
  }
  return argv;
}

}  // namespace

void setEnvironment(JsonValue& body, const csdk_exec_args& args, const Machine& machine) {
  if (args.cwd.size != 0) {
    body.set("cwd", view(args.cwd));
  } else if (machine.handle().directory != kHome) {
    body.setText("cwd", machine.handle().directory);
  }
  if (args.env.count != 0) body.set("env", JsonValue::of(args.env));
  if (plugin::Options(args.options).boolean("sudo").value_or(false)) body.set("sudo", true);
}

void runCommand(Machine& machine, const csdk_exec_args& args) {
  vendor::Session& session = machine.session();
  const plugin::Call& call = session.call();
  const bool hasInput = args.source != nullptr || args.input.size != 0;
  const bool poured = args.source != nullptr || args.input.size > kAlongMax;
  const std::string key = newKey();
  std::vector<std::string> argv = hasInput ? withInput(args, key) : std::vector<std::string>();
  for (std::string& word : commandArgv(args)) argv.push_back(std::move(word));
  JsonValue body = commandBody(argv);
  setEnvironment(body, args, machine);
  body.at("env").set(kMark, key);
  if (args.timeout_ms > 0) body.set("timeout", args.timeout_ms + kGraceMs);
  const std::int64_t endNs = args.timeout_ms > 0 ? call.nowNs() + args.timeout_ms * vendor::kNsPerMs : 0;
  bool begun = false;
  try {
    CommandStream stream(machine, body, [&call](bool error, std::string_view text) {
      call.write(error ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT, plugin::bytes(text));
    });
    std::optional<InputSender> input;
    if (poured) input.emplace(machine, args, key);
    const auto done = [&] {
      begun = stream.begun();
      if (begun && input && !stream.over()) input->send();
      return stream.over();
    };
    const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < endNs;
    try {
      session.until(done, callEndsFirst ? 0 : endNs);
    } catch (const plugin::Error& error) {
      if (error.status() != CSDK_DEADLINE_EXCEEDED || endNs == 0 || call.nowNs() < endNs) throw;
      killQuietly(machine, key, begun);
      call.exit(CSDK_EXIT_TIMEOUT, 0);
      return;
    }
    stream.check();
    vendor::emitExitCode(call, *stream.exitCode(), stream.lossy() ? CSDK_EXIT_LOSSY : 0);
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      session.beginCleanup();
      killQuietly(machine, key, begun);
    }
    throw;
  }
}

}  // namespace computesdk::vercel

#include "commands/order.hpp"

#include <sys/stat.h>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

/// From here on building the JSON takes longer than others on the loop should wait.
constexpr std::size_t kLongAnswer = std::size_t{256} << 10U;

bool holdsNul(const std::string& text) { return text.find('\0') != std::string::npos; }

}  // namespace

Result<CommandOrder> readOrder(const serving::Request& request, const Context& context, bool withStream) {
  auto body = bodyOf(request);
  if (!body) return std::move(body).error();
  CommandOrder order;
  auto command = requiredText(*body, "command");
  if (!command) return std::move(command).error();
  order.command = std::move(*command);
  auto shell = optionalText(*body, "shell");
  if (!shell) return std::move(shell).error();
  order.shell = shell->value_or("");
  auto cwd = optionalText(*body, "cwd");
  if (!cwd) return std::move(cwd).error();
  order.cwd = context.resolve(cwd->value_or(""));
  auto env = optionalVariables(*body, "env");
  if (!env) return std::move(env).error();
  order.env = std::move(*env);
  auto background = optionalBoolean(*body, "background");
  if (!background) return std::move(background).error();
  order.background = background->value_or(false);
  if (withStream) {
    auto stream = optionalBoolean(*body, "stream");
    if (!stream) return std::move(stream).error();
    order.stream = stream->value_or(false);
  }
  if (holdsNul(order.command) || holdsNul(order.shell) || holdsNul(order.cwd)) {
    return invalid("command, shell and cwd must not hold NUL characters");
  }
  struct stat about {};
  if (::stat(order.cwd.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) {
    return invalid("Working directory not found: " + order.cwd, {}, "create it first: mkdir -p " + order.cwd);
  }
  return order;
}

void answerCommand(Context& context, const CommandPtr& command, const serving::Reply& reply,
                   std::string (*data)(const Command&)) {
  const auto answer = [command, reply, data] { reply.send(envelope(commandMessage(*command), data(*command))); };
  if (command->finished() && command->out.bytes().size() + command->err.bytes().size() > kLongAnswer) {
    context.workers().run(answer);
  } else {
    answer();
  }
}

void runAndAnswer(Context& context, const std::shared_ptr<CommandTable>& table, const std::string* terminalId,
                  CommandOrder order, const serving::Reply& reply) {
  const bool atOnce = order.background || order.stream;
  table->run(terminalId, std::move(order), [&context, table, reply, atOnce](const Result<CommandPtr>& started) {
    if (!started) {
      // A shell that is not there is bad input, not a resource that is not there.
      const bool noTerminal = started.error().what.rfind("Terminal not found", 0) == 0;
      const int status = started.error().code == ErrorCode::notFound && !noTerminal ? 400 : 0;
      reply.send(failure(started.error(), status));
      return;
    }
    const CommandPtr& command = *started;
    if (atOnce) {
      // Its end may have come already; this answer is that of the start.
      reply.send(
          envelope(command->order.stream ? "Command waits for command:start" : "Command started in the background",
                   startData(*command)));
      return;
    }
    table->wait(command, std::nullopt,
                [&context, command, reply](bool) { answerCommand(context, command, reply, runData); });
  });
}

}  // namespace computesdk::sandboxd

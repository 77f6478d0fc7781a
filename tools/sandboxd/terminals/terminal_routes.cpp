// /terminals and everything below it.
#include <charconv>
#include <cmath>
#include <computesdk/serving/router.hpp>

#include "commands/command_table.hpp"
#include "commands/order.hpp"
#include "core/answer.hpp"
#include "core/rooms.hpp"
#include "terminals/pty_table.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Reply;
using serving::Request;

/// What the routes of terminals work on.
struct TerminalRoutes {
  Context& context;
  std::shared_ptr<CommandTable> commands;
  std::shared_ptr<PtyTable> ptys;
};

std::string terminalData(const Context& context, const ExecTerminal& terminal) {
  JsonObject data;
  data.text("id", terminal.id).boolean("pty", false).text("status", "ready").text("ws_url", context.socketUrl());
  return data.textIfAny("encoding", terminal.encoding).str();
}

std::string terminalData(const Context& context, const Pty& pty) {
  JsonObject data;
  data.text("id", pty.id).boolean("pty", true).text("status", "running").text("channel", pty.channel());
  data.text("ws_url", context.socketUrl());
  if (pty.order.encodingNamed) data.text("encoding", pty.order.base64 ? "base64" : "raw");
  return data.str();
}

ErrorInfo noTerminal(const std::string& id) { return missing("Terminal not found: " + id, "see GET /terminals"); }

ErrorInfo isPty(const std::string& id) {
  return invalid("Terminal " + id + " is a PTY: it has no commands", {},
                 "type into it over the WebSocket, or create a terminal with pty false");
}

void create(const TerminalRoutes& routes, const Request& request, const Reply& reply) {
  const auto body = bodyOf(request);
  if (!body) return void(reply.send(failure(body.error())));
  const auto pty = optionalBoolean(*body, "pty");
  if (!pty) return void(reply.send(failure(pty.error())));
  const auto shell = optionalText(*body, "shell");
  if (!shell) return void(reply.send(failure(shell.error())));
  const auto encoding = optionalText(*body, "encoding");
  if (!encoding) return void(reply.send(failure(encoding.error())));
  if (*encoding && **encoding != "raw" && **encoding != "base64") {
    return void(reply.send(failure(invalid("encoding must be raw or base64"))));
  }
  const auto named = shell->value_or("");
  if (!pty->value_or(false)) {
    if (!named.empty() && chooseShell(named, routes.context.shared().environment).empty()) {
      return void(reply.send(failure(invalid("Shell not found: " + named))));
    }
    const auto made = routes.commands->addTerminal(named, encoding->value_or(""));
    reply.send(made ? envelope("Terminal created", terminalData(routes.context, **made)) : failure(made.error()));
    return;
  }
  PtyOrder order{named, encoding->value_or("raw") == "base64", encoding->has_value()};
  routes.ptys->create(std::move(order), routes.commands->terminals().size(),
                      [routes, reply](const Result<std::shared_ptr<Pty>>& made) {
                        if (!made) return void(reply.send(failure(made.error())));
                        reply.send(envelope("Terminal created", terminalData(routes.context, **made)));
                        routes.ptys->announce(*made);
                      });
}

serving::Response list(const TerminalRoutes& routes) {
  std::vector<std::string> all;
  for (const auto* terminal : routes.commands->terminals()) all.push_back(terminalData(routes.context, *terminal));
  for (const auto& pty : routes.ptys->all()) all.push_back(terminalData(routes.context, *pty));
  return envelope("Terminals listed", JsonObject().raw("terminals", jsonArray(all)).str());
}

serving::Response get(const TerminalRoutes& routes, const Request& request) {
  const auto& id = request.capture("id");
  if (const auto pty = routes.ptys->find(id); pty && pty->process) {
    return envelope("Terminal found", terminalData(routes.context, *pty));
  }
  const auto* terminal = routes.commands->find(id);
  if (terminal == nullptr) return failure(noTerminal(id));
  return envelope("Terminal found", terminalData(routes.context, *terminal));
}

void destroy(const TerminalRoutes& routes, const Request& request, const Reply& reply) {
  const auto& id = request.capture("id");
  const auto done = [reply] { reply.send(serving::Response::noContent()); };
  if (routes.ptys->destroy(id, done)) return;
  if (routes.commands->destroy(id, done)) {
    routes.context.hub().publish("terminal:" + id, "terminal:destroyed", JsonObject().text("id", id).str());
    return;
  }
  reply.send(failure(noTerminal(id)));
}

void execute(const TerminalRoutes& routes, const Request& request, const Reply& reply) {
  const auto& id = request.capture("id");
  if (routes.ptys->find(id)) return void(reply.send(failure(isPty(id))));
  if (routes.commands->find(id) == nullptr) return void(reply.send(failure(noTerminal(id))));
  auto order = readOrder(request, routes.context, false);
  if (!order) return void(reply.send(failure(order.error())));
  runAndAnswer(routes.context, routes.commands, &id, std::move(*order), reply);
}

serving::Response commands(const TerminalRoutes& routes, const Request& request) {
  const auto& id = request.capture("id");
  if (routes.ptys->find(id)) return failure(isPty(id));
  const auto* terminal = routes.commands->find(id);
  if (terminal == nullptr) return failure(noTerminal(id));
  std::vector<std::string> all;
  for (const auto& command : terminal->commands) all.push_back(commandEntry(*command));
  return envelope(
      "Commands listed",
      JsonObject().raw("commands", jsonArray(all)).number("count", static_cast<std::int64_t>(all.size())).str());
}

Result<CommandPtr> commandOf(const TerminalRoutes& routes, const Request& request) {
  const auto& id = request.capture("id");
  const auto& commandId = request.capture("cid");
  if (routes.ptys->find(id)) return isPty(id);
  if (routes.commands->find(id) == nullptr) return noTerminal(id);
  auto command = routes.commands->find(id, commandId);
  if (!command) return missing("Command not found: " + commandId);
  return command;
}

void command(const TerminalRoutes& routes, const Request& request, const Reply& reply) {
  const auto found = commandOf(routes, request);
  if (!found) return void(reply.send(failure(found.error())));
  answerCommand(routes.context, *found, reply, commandData);
}

/// `timeout` of a request, in seconds; absent or empty: no limit.
Result<std::optional<std::chrono::milliseconds>> timeoutOf(const Request& request) {
  using Limit = std::optional<std::chrono::milliseconds>;
  const auto text = request.queryValue("timeout");
  if (!text || text->empty()) return Limit();
  double seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size() || !std::isfinite(seconds) || seconds < 0) {
    return invalid("timeout must be a number of seconds");
  }
  return Limit(std::chrono::milliseconds(static_cast<std::int64_t>(std::min(seconds, 1e8) * 1000)));
}

void wait(const TerminalRoutes& routes, const Request& request, const Reply& reply) {
  const auto found = commandOf(routes, request);
  if (!found) return void(reply.send(failure(found.error())));
  const auto limit = timeoutOf(request);
  if (!limit) return void(reply.send(failure(limit.error())));
  const auto number = routes.commands->wait(*found, *limit, [routes, reply, which = *found](bool finished) {
    if (finished) return answerCommand(routes.context, which, reply, commandData);
    ErrorInfo info;
    info.code = ErrorCode::timeout;
    info.what = "timed out: the command is still running";
    info.fix = "wait again; the command goes on";
    info.retryable = true;
    reply.send(failure(info, 408));
  });
  if (number != 0) reply.onGone([table = routes.commands, number] { table->forget(number); });
}

}  // namespace

void addTerminalRoutes(serving::Router& router, Context& context) {
  const TerminalRoutes routes{context, commandTableOf(context), ptyTableOf(context)};
  const auto now = [&](const char* method, const char* pattern, auto function) {
    router.on(method, pattern, [routes, function](const Request& request) { return function(routes, request); });
  };
  const auto later = [&](const char* method, const char* pattern, auto function) {
    router.onAsync(method, pattern, [routes, function](const Request& request, const Reply& reply) {
      function(routes, request, reply);
    });
  };
  later("POST", "/terminals", create);
  now("GET", "/terminals", [](const TerminalRoutes& all, const Request&) { return list(all); });
  now("GET", "/terminals/:id", get);
  later("DELETE", "/terminals/:id", destroy);
  later("POST", "/terminals/:id/execute", execute);
  now("GET", "/terminals/:id/commands", commands);
  later("GET", "/terminals/:id/commands/:cid", command);
  later("GET", "/terminals/:id/commands/:cid/wait", wait);
}

}  // namespace computesdk::sandboxd

#include "terminals/pty_table.hpp"

#include <future>
#include <utility>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::chrono::milliseconds kAnnounceAt[] = {std::chrono::milliseconds(40), std::chrono::milliseconds(200),
                                                     std::chrono::milliseconds(800)};
constexpr std::chrono::seconds kDestroyTime{2};
constexpr std::chrono::seconds kStopTime{5};
constexpr std::string_view kPrefix = "terminal:";

std::string errorData(std::string_view sentence) { return JsonObject().text("error", sentence).str(); }

ErrorInfo tooMany(std::size_t limit) {
  ErrorInfo info;
  info.code = ErrorCode::resourceExhausted;
  info.what = "there are " + std::to_string(limit) + " terminals already";
  info.fix = "destroy terminals that are not needed: DELETE /terminals/:id";
  return info;
}

}  // namespace

std::string createdData(std::string_view id) { return JsonObject().text("id", id).text("status", "running").str(); }

std::string chooseShell(const std::string& named, const std::map<std::string, std::string, std::less<>>& environment) {
  const auto valueOf = [&](std::string_view name) {
    const auto at = environment.find(name);
    return at == environment.end() ? std::string() : at->second;
  };
  const auto path = valueOf("PATH");
  if (!named.empty()) return findProgram(named, path);
  for (const auto& name :
       {valueOf("SHELL"), std::string("bash"), std::string("/bin/bash"), std::string("/bin/sh"), std::string("sh")}) {
    auto shell = findProgram(name, path);
    if (!shell.empty()) return shell;
  }
  return {};
}

void PtyTable::open() {
  const auto weak = weak_from_this();
  auto& hub = context_.hub();
  hub.observeSubscriptions(std::string(kPrefix), [weak](const std::string& channel, Connection& connection) {
    if (const auto self = weak.lock()) self->replay(channel, connection);
  });
  hub.onMessage("terminal:input", [weak](const ClientMessage& message, Connection& connection) {
    if (const auto self = weak.lock()) self->input(message, connection);
  });
  hub.onMessage("terminal:resize", [weak](const ClientMessage& message, Connection& connection) {
    if (const auto self = weak.lock()) self->resize(message, connection);
  });
  hub.onConnect([weak](Connection& connection) {
    const auto self = weak.lock();
    if (!self) return;
    for (const auto& [id, pty] : self->ptys_) {
      if (pty->process) connection.send({}, "terminal:created", createdData(id));
    }
  });
  context_.onStop([weak] {
    if (const auto self = weak.lock()) self->stopAll();
  });
}

void PtyTable::create(PtyOrder order, std::size_t others, Made made) {
  ErrorInfo closing;
  closing.code = ErrorCode::unavailable;
  closing.what = "the sandbox is closing";
  if (closed_) return made(closing);
  if (ptys_.size() + others >= context_.limits().terminals) return made(tooMany(context_.limits().terminals));
  const auto shell = chooseShell(order.shell, context_.shared().environment);
  if (shell.empty()) {
    return made(invalid(order.shell.empty() ? "this sandbox has no shell" : "Shell not found: " + order.shell, {},
                        "name a shell that is installed in the sandbox, such as /bin/sh"));
  }
  const auto pty = std::make_shared<Pty>(context_.limits().replay);
  pty->id = Context::newId("term_");
  pty->order = std::move(order);
  pty->throttle = std::make_unique<Throttle>(context_.loop(), context_.hub(), pty->channel());
  ptys_[pty->id] = pty;

  const auto options = std::make_shared<SpawnOptions>();
  options->argv = {shell};
  options->cwd = context_.workingDirectory();
  options->env = context_.environment({{"TERM", "xterm-256color"}, {"PWD", options->cwd}, {"SHELL", shell}});
  options->streams = SpawnOptions::Streams::terminal;
  const auto weak = weak_from_this();
  options->onStdout = [weak, pty](std::string_view bytes) {
    if (const auto self = weak.lock()) self->told(pty, bytes);
  };
  options->onExit = [weak, pty](const ExitStatus&) {
    if (const auto self = weak.lock()) self->end(pty);
  };
  options->onGone = [weak, id = pty->id] {
    if (const auto self = weak.lock()) self->wasGone(id);
  };
  context_.workers().run([self = shared_from_this(), pty = pty, options, made = std::move(made)]() mutable {
    auto spawned =
        std::make_shared<Result<std::shared_ptr<Process>>>(self->context_.processes().spawn(std::move(*options)));
    auto& loop = self->context_.loop();
    loop.post([self = std::move(self), pty = std::move(pty), spawned, made = std::move(made)] {
      self->took(pty, std::move(*spawned), made);
    });
  });
}

void PtyTable::took(const std::shared_ptr<Pty>& pty, Result<std::shared_ptr<Process>> spawned, const Made& made) {
  if (!spawned) {
    ptys_.erase(pty->id);
    return made(std::move(spawned).error());
  }
  if (pty->ended) {  // the shell was quicker than this
    (*spawned)->kill();
  } else {
    pty->process = std::move(*spawned);
    if (closed_) end(pty);
  }
  made(pty);
}

void PtyTable::announce(const std::shared_ptr<Pty>& pty) {
  for (const auto delay : kAnnounceAt) {
    pty->announcements.push_back(
        context_.loop().after(delay, [weak = weak_from_this(), which = std::weak_ptr<Pty>(pty)] {
          const auto self = weak.lock();
          const auto still = which.lock();
          if (!self || !still || still->ended || self->context_.hub().subscribed(still->channel())) return;
          self->context_.hub().broadcast("terminal:created", createdData(still->id));
        }));
  }
}

std::shared_ptr<Pty> PtyTable::find(const std::string& id) const {
  const auto at = ptys_.find(id);
  return at == ptys_.end() ? nullptr : at->second;
}

std::vector<std::shared_ptr<Pty>> PtyTable::all() const {
  std::vector<std::shared_ptr<Pty>> out;
  for (const auto& [id, pty] : ptys_) {
    if (pty->process) out.push_back(pty);
  }
  return out;
}

void PtyTable::say(const Pty& pty, const std::string& text, Connection* to) {
  if (text.empty()) return;
  JsonObject data;
  data.text("output", pty.order.base64 ? base64(text) : text);
  data.text("encoding", pty.order.base64 ? "base64" : "raw");
  if (to != nullptr) {
    to->send(pty.channel(), "terminal:output", data.str());
  } else {
    context_.hub().publish(pty.channel(), "terminal:output", data.str());
  }
}

void PtyTable::told(const std::shared_ptr<Pty>& pty, std::string_view bytes) {
  const auto text = pty->text.take(bytes);
  pty->ring.append(text);
  if (!context_.hub().subscribed(pty->channel())) return;
  say(*pty, text, nullptr);
  pty->throttle->look(pty->process);
}

void PtyTable::replay(const std::string& channel, Connection& connection) {
  const auto pty = find(channel.substr(kPrefix.size()));
  if (pty) say(*pty, pty->ring.text(), &connection);
}

void PtyTable::input(const ClientMessage& message, Connection& connection) {
  const auto data = parseJson(message.data);
  if (!data || !data->IsObject()) return;
  const auto id = optionalText(*data, "terminal_id");
  const auto text = optionalText(*data, "input");
  if (!id || !*id || !text || !*text) return;
  const auto pty = find(**id);
  const auto channel = std::string(kPrefix) + **id;
  if (!pty || !pty->process) {
    connection.send(channel, "terminal:error", errorData("Terminal not found: " + **id));
  } else if (!pty->process->write(**text)) {
    connection.send(channel, "terminal:error",
                    errorData("the terminal takes no more input: its program does not read"));
  }
}

void PtyTable::resize(const ClientMessage& message, Connection& connection) {
  const auto data = parseJson(message.data);
  if (!data || !data->IsObject()) return;
  const auto id = optionalText(*data, "terminal_id");
  if (!id || !*id) return;
  const auto channel = std::string(kPrefix) + **id;
  const auto columns = optionalInteger(*data, "cols");
  const auto rows = optionalInteger(*data, "rows");
  const auto isSize = [](const auto& value) { return value && *value && **value >= 1 && **value <= 65535; };
  if (!isSize(columns) || !isSize(rows)) {
    connection.send(channel, "terminal:error", errorData("cols and rows must be whole numbers from 1 to 65535"));
    return;
  }
  const auto pty = find(**id);
  if (!pty || !pty->process ||
      !pty->process->resize(static_cast<unsigned short>(**columns), static_cast<unsigned short>(**rows))) {
    connection.send(channel, "terminal:error", errorData("Terminal not found: " + **id));
  }
}

void PtyTable::end(const std::shared_ptr<Pty>& pty) {
  if (pty->ended) return;
  pty->ended = true;
  pty->announcements.clear();
  say(*pty, pty->text.finish(), nullptr);
  ptys_.erase(pty->id);
  if (pty->process) {
    leaving_[pty->id] = pty;
    pty->process->kill();
  }
  context_.hub().publish(pty->channel(), "terminal:destroyed", JsonObject().text("id", pty->id).str());
}

bool PtyTable::destroy(const std::string& id, std::function<void()> done) {
  const auto pty = find(id);
  if (!pty || !pty->process) return false;
  const auto once = std::make_shared<std::function<void()>>(std::move(done));
  const auto call = [once] {
    if (const auto now = std::exchange(*once, nullptr)) now();
  };
  goneCalls_.emplace(id, call);
  context_.loop().after(kDestroyTime, call).detach();
  end(pty);
  return true;
}

void PtyTable::wasGone(const std::string& id) {
  leaving_.erase(id);
  const auto [begin, stop] = goneCalls_.equal_range(id);
  std::vector<std::function<void()>> calls;
  for (auto at = begin; at != stop; ++at) calls.push_back(at->second);
  goneCalls_.erase(begin, stop);
  for (const auto& call : calls) call();
  if (closed_ && leaving_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void PtyTable::stopAll() {
  const auto done = std::make_shared<std::promise<void>>();
  context_.loop().post([self = shared_from_this(), done] {
    self->closed_ = true;
    for (const auto& pty : self->all()) self->end(pty);
    if (self->leaving_.empty()) return done->set_value();
    self->drained_ = [done] { done->set_value(); };
  });
  done->get_future().wait_for(kStopTime);
}

std::shared_ptr<PtyTable> ptyTableOf(Context& context) {
  auto table = context.find<PtyTable>();
  if (!table) {
    table = std::make_shared<PtyTable>(context);
    table->open();
    context.provide(table);
  }
  return table;
}

}  // namespace computesdk::sandboxd

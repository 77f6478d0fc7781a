// The code interpreter's port: a program a request, without a memory of the ones before.
#include <utility>

#include "e2b.hpp"
#include "harness/json.hpp"

namespace computesdk::simulators {
namespace {

std::string now() {
  return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

std::string outputLine(const OutputChunk& chunk) {
  return JsonObject()
             .add("type", chunk.channel == Channel::standardOutput ? "stdout" : "stderr")
             .add("text", chunk.bytes)
             .add("timestamp", now())
             .text() +
         "\n";
}

// A failed program's last words, as an interpreter would report them.
std::string errorLine(const std::string& traceback) {
  std::string words = traceback;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  const std::string last = words.substr(words.rfind('\n') + 1);
  const std::size_t colon = std::min(last.find(": "), last.size());
  return JsonObject()
             .add("type", "error")
             .add("name", last.substr(0, colon))
             .add("value", last.substr(std::min(colon + 2, last.size())))
             .add("traceback", traceback)
             .text() +
         "\n";
}

TaskSpec programOf(const rapidjson::Value& body) {
  const std::string language = textOf(member(&body, "language"), "python"), code = textOf(member(&body, "code"));
  TaskSpec spec;
  spec.env = textMapOf(member(&body, "env_vars"));
  if (language == "python") {
    spec.argv = {"python3", "-u", "-c", code};
  } else if (language == "javascript" || language == "js") {
    spec.argv = {"node", "-e", code};
  } else {
    spec.argv = {"bash", "-c", code};
  }
  spec.follow = true;
  return spec;
}

}  // namespace

void E2bSimulator::executeCode(Exchange& exchange) {
  const auto live = enter(exchange);
  if (!live) return;
  rapidjson::Document body;
  if (live->box.alias != "code-interpreter-v1" || targetOf(exchange.request).port != kCodePort) {
    return exchange.respond(502, JsonObject()
                                     .add("sandboxId", live->box.id)
                                     .add("message", "The sandbox is running but port is not open")
                                     .add("port", kCodePort)
                                     .add("code", 502)
                                     .text());
  }
  if (!parseJson(exchange.request.body, body) || member(&body, "code") == nullptr) {
    return exchange.respond(422, R"({"detail":[{"loc":["body","code"],"msg":"Field required","type":"missing"}]})");
  }
  int number = 0;
  change(live->box.id, [&](Box& box) { number = ++box.executions; });
  const auto task = live->machine->start(programOf(body));
  const auto reader = task->takeReader();
  exchange.begin(200, "application/x-ndjson");
  exchange.chunk(JsonObject().add("type", "number_of_executions").add("execution_count", number).text() + "\n");
  OutputChunk chunk;
  std::string errors;
  for (auto state = OutputLog::Reader::State::waiting; reader && state != OutputLog::Reader::State::end;) {
    state = reader->next(chunk, std::chrono::milliseconds(50));
    if (state == OutputLog::Reader::State::chunk) {
      if (chunk.channel == Channel::standardError) errors += chunk.bytes;
      if (!exchange.chunk(outputLine(chunk))) break;
    }
    if (exchange.stream.peerGone()) break;
  }
  const auto end = task->ended();
  if (!end) {
    task->signal(9);
    return;
  }
  if (end->signalled || end->value != 0) exchange.chunk(errorLine(errors));
  exchange.chunk("{\"type\":\"end_of_execution\"}\n");
  exchange.end();
}

}  // namespace computesdk::simulators

#include "terminal.hpp"

namespace computesdk::bench {
namespace {

using conformance::Value;

}  // namespace

std::string makeTerminal(World& world, const Box& box) {
  const std::string answer = world.ask(box, "POST", "/terminals", R"({"pty":true,"shell":"/bin/sh"})");
  return Value::parse(answer, "the daemon's answer").at("data").at("id").asString();
}

std::string subscription(const std::string& terminal) {
  Value message;
  message.set("type", "subscribe").set("channel", "terminal:" + terminal);
  return message.print();
}

std::string typing(const std::string& terminal, std::string_view input) {
  Value data;
  data.set("terminal_id", terminal).set("input", input);
  Value message;
  message.set("type", "terminal:input").set("data", std::move(data));
  return message.print();
}

std::string outputOf(std::string_view message) {
  if (!message.starts_with(R"({"type":"terminal:output")")) return {};
  return Value::parse(message, "a message of a terminal").at("data").at("output").asString();
}

EchoTerminal::EchoTerminal(World& world, const Box& box)
    : world_(world), box_(box), id_(makeTerminal(world, box)), socket_(connectTo(world.port())) {
  sendAll(socket_.get(), requestText("GET", box.socketPath(), {},
                                     {{"Connection", "Upgrade"},
                                      {"Upgrade", "websocket"},
                                      {"Sec-WebSocket-Version", "13"},
                                      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}));
  AnswerReader head;
  std::string piece(4096, '\0');
  for (;;) {
    const long got = receiveSome(socket_.get(), piece, true);
    if (got <= 0) throw Problem("a terminal's WebSocket is refused");
    if (head.put(std::string_view(piece).substr(0, static_cast<std::size_t>(got)))) break;
  }
  if (head.status() != 101) throw Problem("a terminal's WebSocket is refused: " + head.body());
  frames_.put(head.rest());
  sendAll(socket_.get(), textFrame(subscription(id_)));
  // Only what `cat` says counts: the shell's own words have no such character.
  sendAll(socket_.get(), textFrame(typing(id_, "stty -icanon -echo; printf '\\174'; exec cat\n")));
  await('|');
}

EchoTerminal::~EchoTerminal() {
  try {
    Caller caller(world_.port());
    (void)caller.ask(box_.request("DELETE", "/terminals/" + id_));
  } catch (const Problem&) {  // it goes with its sandbox
  }
}

long long EchoTerminal::echo() {
  const char character = next_;
  next_ = next_ == 'z' ? 'a' : static_cast<char>(next_ + 1);
  const auto since = Clock::now();
  sendAll(socket_.get(), textFrame(typing(id_, std::string(1, character))));
  await(character);
  return nanosecondsSince(since);
}

void EchoTerminal::await(char character) {
  std::string piece(16384, '\0');
  for (;;) {
    FrameReader::Frame frame;
    while (frames_.take(frame)) {
      if (outputOf(frame.payload).find(character) != std::string::npos) return;
    }
    const long got = receiveSome(socket_.get(), piece, true);
    if (got <= 0) throw Problem("a terminal's WebSocket ended");
    frames_.put(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
  }
}

}  // namespace computesdk::bench

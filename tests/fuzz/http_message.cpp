// HTTP messages: whatever way the bytes are cut into pieces, the same message comes out, or none.
#include <src/message_parser.hpp>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using serving::MessageParser;
using Step = MessageParser::Step;

struct Outcome {
  Step last = Step::more;
  std::string head;
  std::string body;
  std::size_t taken = 0;
};

Outcome parse(std::string_view text, std::size_t piece, bool request) {
  const auto parser = request ? MessageParser::forRequest(1u << 16) : MessageParser::forAnswer(1u << 16, false);
  Outcome out;
  std::string held;
  std::size_t given = 0;
  while (out.last == Step::more || out.last == Step::head) {
    std::string_view bytes = held;
    out.last = parser->put(bytes, [&](std::string_view part) {
      out.body += part;
      return true;
    });
    held.erase(0, held.size() - bytes.size());
    if (out.last == Step::head) {
      for (const auto& [name, value] : parser->head().headers) out.head += name + ":" + value + "\n";
      out.head += parser->head().method + parser->head().target + std::to_string(parser->head().status);
    } else if (out.last == Step::more) {
      if (given == text.size()) break;
      const std::string_view next = text.substr(given, piece);
      held += next;
      given += next.size();
    }
  }
  out.taken = given - held.size();
  return out;
}

}  // namespace

std::vector<std::string> seeds() {
  return {"xGET /a%2Fb?c HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n",
          "xPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET",
          "xPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\nmore",
          "xHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "xHTTP/1.0 200 OK\r\n\r\nto the end",
          "xHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nraw"};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  if (size == 0 || size > (1u << 15)) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const bool request : {true, false}) {
    const Outcome whole = parse(text, text.size() + 1, request);
    const Outcome pieces = parse(text, data[0] % 7 + 1, request);
    // A fault may be seen sooner or later, but no way of cutting makes a message of what is none.
    require((whole.last == Step::done) == (pieces.last == Step::done), "pieces end as the whole does");
    if (whole.last != pieces.last || whole.last == Step::bad || whole.last == Step::tooBig) continue;
    require(whole.head == pieces.head, "the head is the same");
    require(whole.body == pieces.body, "the body is the same");
    require(whole.last != Step::done || whole.taken == pieces.taken, "the message ends at the same byte");
    if (request && whole.last == Step::done) {
      require(whole.head.find("Content-Length:") == std::string::npos ||
                  whole.head.find("Transfer-Encoding:") == std::string::npos,
              "no request has two lengths");
    }
  }
  return 0;
}

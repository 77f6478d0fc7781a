// Frames of the daemon's WebSocket clients, of both encodings: the first byte of an input says which.
#include <rapidjson/document.h>

#include <string_view>

#include "core/utf8.hpp"
#include "socket/binary_frame.hpp"
#include "target.hpp"

namespace computesdk::fuzz {
namespace {

std::string sized(std::string_view text, int width) {
  std::string out;
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(text.size() >> static_cast<unsigned>(8 * i) & 0xFFU);
  return out.append(text);
}

std::string binary(char kind, std::string_view channel, std::string_view type, std::string_view data) {
  return std::string("b") + kind + sized(channel, 2) + sized(type, 2) + sized(data, 4);
}

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_view_literals;
  const auto text = "\0\2"sv;
  const std::string input = std::string(text) + sized("terminal_id", 2) + '\1' + sized("term_1", 4) +
                            sized("input", 2) + '\1' + sized("ls\n", 4);
  const std::string size = std::string("\0\2"sv) + sized("cols", 2) + '\2' + sized("\x40\x54\0\0\0\0\0\0"sv, 4) +
                           sized("yes", 2) + '\3' + sized("\1", 4);
  return {binary(1, "terminal:term_1", "subscribe", "\0\0"sv),
          binary(2, "c", "unsubscribe", ""),
          binary(3, "", "terminal:input", input),
          binary(3, "", "terminal:resize", size),
          R"(t{"type":"subscribe","channel":"command:cmd_1"})",
          R"(t{"type":"terminal:input","data":{"terminal_id":"term_1","input":"\u00e4\n"}})"};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using computesdk::fuzz::require;
  using namespace computesdk::sandboxd;
  if (size == 0) return 0;
  const std::string_view frame(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto message = data[0] == 'b' ? decodeBinary(frame) : decodeText(frame);
  if (!message) return 0;
  require(validUtf8(message->type) == message->type, "the type is text");
  require(validUtf8(message->channel) == message->channel, "the channel is text");
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(message->data.data(),
                                                                                         message->data.size());
  require(!document.HasParseError(), "the data is JSON");
  return 0;
}

// What init does with a message before it acts on it. A body that would come by descriptor follows its header here.
#include <string.h>

#include <memory>

#include "frames.hpp"
#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using wire::FrameType;

// Every word ends inside the body.
void checkWords(char* const* words, std::uint32_t count, const char* body, std::size_t size) {
  for (std::uint32_t i = 0; i < count; ++i) {
    require(words[i] >= body && words[i] < body + size, "a word lies in the body");
    require(memchr(words[i], 0, static_cast<std::size_t>(body + size - words[i])) != nullptr, "a word ends there");
  }
  require(words[count] == nullptr, "the list ends");
}

void exec(const char* body, std::size_t size) {
  static char* pointers[wire::kMaxArguments + 2];
  wire::ExecRequest request;
  if (!wire::parseExec(body, size, pointers, request)) return;
  checkWords(request.argv, request.body.arguments, body, size);
  checkWords(request.envp, request.body.variables, body, size);
  require(request.argv[0][0] != 0, "the command has a name");
  require(strlen(request.cwd.data) == request.cwd.size, "the folder is one text");
}

void message(const char* bytes, std::size_t size) {
  wire::Header header;
  const char* body = bytes + sizeof header;
  const char* end = bytes + size;
  if (!wire::parseHeader(bytes, size, header)) {
    if (size < sizeof header || !wire::parseHeader(bytes, sizeof header, header)) return;
    if (header.size != size - sizeof header || header.flags == 0) return;
  }
  require(body + header.size <= end || header.flags != 0, "the body has come");
  if (header.flags != 0 && body + header.size != end) return;  // its descriptor would hold less
  if (static_cast<FrameType>(header.type) == FrameType::kExec) {
    exec(body, header.size);
    return;
  }
  wire::Reader reader(body, header.size);  // slots, ports, pids, signals
  const auto number = reader.pod<std::uint64_t>();
  require(reader.ok() == (header.size >= sizeof number), "a number is read whole");
  require(reader.ok() || number == 0, "or is none");
}

}  // namespace

std::vector<std::string> seeds() {
  const std::vector<std::string> variables{"PATH=/usr/bin:/bin", "HOME=/home/sandbox", "LANG=C.UTF-8"};
  std::vector<std::string> all{
      frame(FrameType::kExec, execBody({"true"}, {})),
      frame(FrameType::kExec, execBody({"/bin/sh", "-c", "echo hello; exit 3"}, variables)),
      frame(FrameType::kExec, execBody({"cat"}, variables, wire::kExecBackground | wire::kExecInput)),
      frame(FrameType::kExec, execBody({"bash"}, variables, wire::kExecPty)),
      frame(FrameType::kExec, execBody({"echo", std::string(4096, 'x')}, variables), wire::kBodyInMemfd),
      frame(FrameType::kUsage, {}),
      frame(FrameType::kFreeze, {}),
      frame(FrameType::kCloseInput, {}),
      frame(FrameType::kSweep, {})};
  for (const FrameType type : {FrameType::kDial, FrameType::kProcesses, FrameType::kOpenProcess, FrameType::kSignal}) {
    all.push_back(frame(type, bodyOf(std::uint64_t{15})));
  }
  return all;
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::unique_ptr<char[]> copy(new char[size]);  // of its own size, also below libFuzzer
  if (size > 0) memcpy(copy.get(), data, size);
  computesdk::fuzz::message(copy.get(), size);
  return 0;
}

// A large file through a port of a sandbox, up and down: how fast, and what the gateway holds meanwhile.
#include "direct.hpp"
#include "world.hpp"

namespace computesdk::bench {
namespace {

constexpr std::size_t kPiece = 256u << 10;

/// Sends so many bytes with PUT. Nanoseconds until the answer, which must say their number.
long long upload(std::uint16_t port, const std::string& path, std::uint64_t size) {
  const Descriptor socket = connectTo(port);
  const std::string block(kPiece, 'u');
  const auto begin = Clock::now();
  sendAll(socket.get(), requestText("PUT", path + "/file", {}, {{"Content-Length", std::to_string(size)}}));
  for (std::uint64_t left = size; left > 0; left -= std::min<std::uint64_t>(left, kPiece))
    sendAll(socket.get(), std::string_view(block).substr(0, std::min<std::uint64_t>(left, kPiece)));
  AnswerReader reader;
  std::string piece(4096, '\0');
  for (;;) {
    const long got = receiveSome(socket.get(), piece, true);
    if (got <= 0) throw Problem("an upload is not answered");
    if (reader.put(std::string_view(piece).substr(0, static_cast<std::size_t>(got)))) break;
  }
  if (reader.status() != 200 || reader.body() != std::to_string(size))
    throw Problem("an upload is answered with " + std::to_string(reader.status()) + " " + reader.body());
  return nanosecondsSince(begin);
}

/// Fetches so many bytes with GET. Nanoseconds until the last.
long long download(std::uint16_t port, const std::string& path, std::uint64_t size) {
  const Descriptor socket = connectTo(port);
  std::string piece(kPiece, '\0');
  std::string head;
  const auto begin = Clock::now();
  sendAll(socket.get(), requestText("GET", path + "/" + std::to_string(size)));
  std::uint64_t come = 0;
  bool inBody = false;
  while (!inBody || come < size) {
    const long got = receiveSome(socket.get(), piece, true);
    if (got <= 0) throw Problem("a download ended after " + std::to_string(come) + " bytes");
    if (inBody) {
      come += static_cast<std::uint64_t>(got);
      continue;
    }
    head.append(piece, 0, static_cast<std::size_t>(got));
    const std::size_t end = head.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (!head.starts_with("HTTP/1.1 200")) throw Problem("a download is answered with " + head.substr(0, end));
    inBody = true;
    come = head.size() - end - 4;
  }
  if (come != size) throw Problem("a download has " + std::to_string(come) + " bytes");
  return nanosecondsSince(begin);
}

}  // namespace

void measureFile(World& world, Report& report, const Sizes& sizes) {
  const std::string path = world.portServer(world.boxes(1)[0]);
  const DirectSandboxes direct(1);
  const std::uint16_t port = direct.portServer(0);
  // Once small, so that what is only made once is there.
  (void)upload(world.port(), path, kPiece);
  (void)download(world.port(), path, kPiece);
  for (int round = 0; round < std::min(sizes.rounds, 3); ++round) {
    world.gateway().forgetPeak();
    const long long before = world.gateway().resident();
    report.print("upload", upload(world.port(), path, sizes.fileBytes));
    report.print("download", download(world.port(), path, sizes.fileBytes));
    report.print("file_growth", world.gateway().peak() - before);
    report.print("direct_upload", upload(port, "", sizes.fileBytes));
    report.print("direct_download", download(port, "", sizes.fileBytes));
  }
}

}  // namespace computesdk::bench

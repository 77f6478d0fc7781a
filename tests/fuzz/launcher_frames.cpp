// What starter and launcher do with a message before they act on it: start orders, creation, control.
#include <string.h>

#include <memory>

#include "frames.hpp"
#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using wire::FrameType;

void checkText(const wire::Text& text, std::size_t most, const char* body, std::size_t size) {
  if (text.size == 0 && *text.data == 0) return;
  require(text.size <= most, "a text keeps to its limit");
  require(text.data >= body && text.data + text.size < body + size, "a text lies in the body");
  require(strnlen(text.data, text.size + 1) == text.size, "a text is one C string");
}

void start(const char* body, std::size_t size) {
  wire::StartRequest request;
  if (!wire::parseStart(body, size, request)) return;
  require(request.body.mounts <= wire::kMaxMounts && request.body.layers <= wire::kMaxLayers, "there is room");
  checkText(request.templateFolder, 4095, body, size);
  for (const wire::StartMount& mount : request.mounts) {
    checkText(mount.source, 4095, body, size);
    checkText(mount.target, 4095, body, size);
  }
  for (const wire::Text& layer : request.layers) checkText(layer, 4095, body, size);
  checkText(request.bubblewrap, 4095, body, size);
}

void create(const char* body, std::size_t size) {
  wire::CreateRequest request;
  if (!wire::parseCreate(body, size, request)) return;
  checkText(request.id, wire::kMaxId, body, size);
  checkText(request.workdir, 4095, body, size);
  checkText(request.meta, std::size_t{64} * 1024, body, size);
  require(request.id.size > 0 && strpbrk(request.id.data, "/.") == nullptr, "an id is a name of its own");
  require(request.body.processes > 0 && request.body.memoryBytes > 0, "the limits leave something");
}

void control(FrameType type, const char* body, std::size_t size) {
  struct Token {
    std::uint8_t bytes[wire::kTokenSize];
  };
  wire::Reader reader(body, size);
  if (type == FrameType::kHello) {
    static_cast<void>(reader.pod<Token>());
    require(reader.ok() == (size >= wire::kTokenSize), "a token is read whole");
    return;
  }
  static_cast<void>(reader.pod<std::uint64_t>());
  if (type != FrameType::kKeep) return;
  const wire::Text meta = reader.text(wire::kMaxFrame);
  if (reader.atEnd()) checkText(meta, wire::kMaxFrame, body, size);
}

void message(const char* bytes, std::size_t size) {
  wire::Header header;
  if (!wire::parseInlineHeader(bytes, size, header)) return;
  require(header.size + sizeof header == size, "the body has come");
  const char* body = bytes + sizeof header;
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::kStart: start(body, header.size); break;
    case FrameType::kCreate: create(body, header.size); break;
    default: control(static_cast<FrameType>(header.type), body, header.size);
  }
}

std::string startBody(std::uint32_t mounts, std::uint32_t layers) {
  wire::StartBody head{};
  head.flags = wire::kStartAsRoot | wire::kStartOverlay;
  head.sandboxUid = 0x70000001;
  head.groups = local::limits::GroupKind::kV1;
  head.controllers = 7;
  head.mounts = mounts;
  head.layers = layers;
  std::string body = bodyOf(head) + textOf(layers > 0 ? "/var/lib/template" : "");
  for (std::uint32_t i = 0; i < mounts; ++i) {
    body += textOf("/home/someone/source") + textOf("/mnt/target") + bodyOf(std::uint32_t{i % 2});
  }
  for (std::uint32_t i = 0; i < layers; ++i) body += textOf("/snapshots/" + std::to_string(i));
  return body;
}

std::string bubblewrapBody() {
  wire::StartBody head{};
  head.flags = wire::kStartBubblewrap;
  head.sandboxUid = 1000;
  return bodyOf(head) + textOf("") + textOf("/usr/bin/bwrap");
}

std::string createBody() {
  wire::CreateBody head{};
  head.flags = wire::kCreateRegistered;
  head.memoryBytes = head.diskBytes = 1 << 28;
  head.inodes = 65536;
  head.processes = 256;
  head.openFiles = 1024;
  head.ttlMs = 300000;
  return bodyOf(head) + textOf("local-abcdefghij234567") + textOf("/home/sandbox") + textOf("{\"version\":1");
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all{frame(FrameType::kStart, startBody(0, 0)),
                               frame(FrameType::kStart, startBody(3, 0)),
                               frame(FrameType::kStart, startBody(16, 64)),
                               frame(FrameType::kStart, bubblewrapBody()),
                               frame(FrameType::kCreate, createBody()),
                               frame(FrameType::kHello, std::string(wire::kTokenSize, 't')),
                               frame(FrameType::kAttach, {}),
                               frame(FrameType::kKeep, bodyOf(std::uint64_t{300000}) + textOf("{\"version\":1"))};
  for (const FrameType type : {FrameType::kDestroy, FrameType::kExtend, FrameType::kUrl}) {
    all.push_back(frame(type, bodyOf(std::uint64_t{8080})));
  }
  return all;
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::unique_ptr<char[]> copy(new char[size]);
  if (size > 0) memcpy(copy.get(), data, size);
  computesdk::fuzz::message(copy.get(), size);
  return 0;
}

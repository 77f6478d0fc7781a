#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "routes.hpp"

namespace computesdk::simulators {
namespace {

using Kind = MachineError::Kind;

std::string resolved(const rapidjson::Value& body) {
  const std::string path = textOf(member(&body, "path"));
  if (path.starts_with('/')) return path;
  return textOf(member(&body, "cwd"), kVercelHome) + "/" + path;
}

void respondFileError(Exchange& exchange, const MachineError& error, const std::string& what) {
  switch (error.kind()) {
    case Kind::gone: throw error;
    case Kind::notFound: return respondError(exchange, 404, "not_found", what + ": no such file or directory");
    case Kind::exists: return respondError(exchange, 400, "file_exists", what + ": file exists");
    case Kind::isDirectory: return respondError(exchange, 400, "bad_request", what + ": is a directory");
    case Kind::denied: return respondError(exchange, 403, "permission_denied", what + ": permission denied");
    case Kind::diskFull: return respondError(exchange, 400, "bad_request", what + ": no space left on device");
    default: return respondError(exchange, 400, "bad_request", what + ": " + error.what());
  }
}

}  // namespace

void VercelFiles::read(VercelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  const auto live = service.enter(exchange);
  if (!live || !readObject(exchange, body)) return;
  const std::string path = resolved(body), what = "open " + path;
  FileEntry entry;
  try {
    entry = live->machine->stat(path);
    if (entry.type == EntryType::directory) throw MachineError(Kind::isDirectory, what);
  } catch (const MachineError& error) {
    return respondFileError(exchange, error, what);
  }
  exchange.begin(200, "application/octet-stream", {}, entry.size);
  std::int64_t left = entry.size;
  try {
    live->machine->read(path, [&](std::span<const std::byte> bytes) {
      const auto most = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(bytes.size())));
      left -= static_cast<std::int64_t>(most);
      if (!exchange.chunk({reinterpret_cast<const char*>(bytes.data()), most})) throw std::runtime_error("gone");
    });
  } catch (const std::exception&) {
    exchange.close = true;  // the peer is gone, or the file: the length says that it is not whole
  }
  if (left > 0) exchange.close = true;
  exchange.end();
}

// The body is a packed archive, unpacked inside.
void VercelFiles::write(VercelSimulator& service, Exchange& exchange) {
  const auto live = service.enter(exchange);
  if (!live) return void(exchange.close = true);
  const std::string base = exchange.request.header("x-cwd");
  if (exchange.request.header("content-type") != "application/gzip") {
    exchange.close = true;
    return respondError(exchange, 400, "bad_request", "Invalid request: the content type should be application/gzip");
  }
  const auto task = live->machine->start(
      {.argv = {"/bin/sh", "-c", "mkdir -p \"$1\" && exec tar -xzpf - -C \"$1\" --no-same-owner --no-overwrite-dir",
                "sh", base.empty() ? kVercelHome : base},
       .cwd = "/",
       .input = true,
       .hidden = true});
  while (const auto piece = exchange.bodyPiece()) {
    if (!task->write(*piece)) break;
  }
  task->closeInput();
  const auto end = task->wait(std::chrono::minutes(5));
  exchange.close = !exchange.bodyComplete();
  if (!end || end->signalled || end->value != 0) {
    return respondError(exchange, 400, "bad_request", "cannot unpack: " + task->kept(Channel::standardError));
  }
  exchange.respond(200, "{}");
}

void VercelFiles::makeDirectory(VercelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  const auto live = service.enter(exchange);
  if (!live || !readObject(exchange, body)) return;
  const std::string path = resolved(body), what = "mkdir " + path;
  try {
    if (live->machine->exists(path)) throw MachineError(Kind::exists, what);
    if (!live->machine->exists(std::filesystem::path(path).parent_path())) throw MachineError(Kind::notFound, what);
    live->machine->makeDirectory(path);
  } catch (const MachineError& error) {
    return respondFileError(exchange, error, what);
  }
  exchange.respond(200, "{}");
}

void VercelFiles::addRoutes(VercelSimulator& service, Server& server) {
  const auto add = [&](const char* path, void (*act)(VercelSimulator&, Exchange&), bool streamed) {
    service.route(
        server, "POST", std::string("/v2/sandboxes/sessions/*/fs/") + path,
        [&service, act](Exchange& exchange) { act(service, exchange); }, streamed);
  };
  add("read", read, false);
  add("write", write, true);
  add("mkdir", makeDirectory, false);
}

}  // namespace computesdk::simulators

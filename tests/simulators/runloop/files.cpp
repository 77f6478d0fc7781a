// Files: two endpoints for text, two for bytes.
#include <cstring>

#include "harness/multipart.hpp"
#include "output.hpp"
#include "routes.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::int64_t kLargestText = 100'000'000;

// A regular file, or nothing when it has answered.
std::optional<FileEntry> findFile(Exchange& exchange, Machine& machine, const std::string& given) {
  const std::string path = runloopPath(given);
  if (given.empty()) return respondRunloopError(exchange, 400, "path: is required"), std::nullopt;
  try {
    FileEntry entry = machine.stat(path);
    if (entry.type == EntryType::file) return entry;
    respondRunloopError(exchange, 400, "Not a file: " + given);
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
    respondRunloopError(exchange, 404, "File not found: " + given);
  }
  return {};
}

void readText(Exchange& exchange, Machine& machine, const rapidjson::Value& body) {
  const auto entry = findFile(exchange, machine, textOf(member(&body, "file_path")));
  if (!entry) return;
  if (entry->size > kLargestText) return respondRunloopError(exchange, 413, "File is too large to read as text");
  exchange.respond(200, utf8Of(machine.read(entry->path)), "text/plain");
}

void writeText(Exchange& exchange, Machine& machine, const rapidjson::Value& body) {
  const std::string given = textOf(member(&body, "file_path"));
  if (given.empty()) return respondRunloopError(exchange, 400, "file_path: is required");
  std::string failure;
  try {
    machine.write(runloopPath(given), textOf(member(&body, "contents")));
  } catch (const MachineError& error) {
    failure = error.what();
  }
  exchange.respond(200, JsonObject()
                            .add("devbox_id", exchange.request.parts.at(0))
                            .add("exit_status", failure.empty() ? 0 : 1)
                            .add("stdout", "")
                            .add("stderr", failure)
                            .raw("shell_name", "null")
                            .text());
}

void download(Exchange& exchange, Machine& machine, const rapidjson::Value& body) {
  const auto entry = findFile(exchange, machine, textOf(member(&body, "path")));
  if (!entry) return;
  exchange.begin(200, "application/octet-stream", {}, entry->size);
  std::int64_t left = entry->size;
  try {
    machine.read(entry->path, [&](std::span<const std::byte> bytes) {
      const auto most = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(bytes.size())));
      left -= static_cast<std::int64_t>(most);
      if (!exchange.chunk({reinterpret_cast<const char*>(bytes.data()), most})) throw std::runtime_error("gone");
    });
  } catch (const std::exception&) {
    exchange.close = true;
  }
  if (left > 0) exchange.close = true;  // the length says that it is not whole
  exchange.end();
}

std::string readPart(Multipart& parts) {
  std::string text;
  std::byte buffer[4096];
  for (std::size_t size = 0; (size = parts.read(buffer)) > 0;) {
    text.append(reinterpret_cast<const char*>(buffer), size);
  }
  return text;
}

// A field `path`, then a field `file`. The folder must be there.
void upload(Exchange& exchange, Machine& machine) {
  const std::string type = exchange.request.header("content-type");
  const std::size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string::npos) {
    throw MachineError(MachineError::Kind::invalid, "The body must be multipart/form-data");
  }
  std::string boundary = type.substr(at + 9);
  std::erase(boundary, '"');
  Multipart parts(boundary, [&exchange] { return exchange.bodyPiece(); });
  std::string path;
  bool written = false;
  while (const auto part = parts.nextPart()) {
    if (part->name == "path") path = readPart(parts);
    if (part->name != "file" || path.empty()) continue;
    const std::string whole = runloopPath(path);
    const std::string folder = std::filesystem::path(whole).parent_path();
    if (!machine.exists(folder)) {
      throw MachineError(MachineError::Kind::invalid, "Failed to write " + path + ": no such directory: " + folder);
    }
    machine.write(whole, [&parts](std::span<std::byte> into) {
      const std::size_t size = parts.read(into);
      if (parts.broken()) throw std::runtime_error("the upload broke off");
      return size;
    });
    written = true;
  }
  if (!written) throw MachineError(MachineError::Kind::invalid, "path and file are required, in this order");
  exchange.respond(200, "{}");
}

}  // namespace

void RunloopFiles::addRoutes(RunloopSimulator& service, Server& server) {
  const auto add = [&](const char* path, void (*act)(Exchange&, Machine&, const rapidjson::Value&)) {
    service.route(server, "POST", std::string("/v1/devboxes/*/") + path, [&service, act](Exchange& exchange) {
      rapidjson::Document body;
      if (!readRunloopBody(exchange, body)) return;
      if (const auto live = service.running(exchange)) act(exchange, *live->machine, body);
    });
  };
  add("read_file_contents", readText);
  add("write_file_contents", writeText);
  add("download_file", download);
  service.route(
      server, "POST", "/v1/devboxes/*/upload_file",
      [&service](Exchange& exchange) {
        if (const auto live = service.running(exchange)) upload(exchange, *live->machine);
      },
      true);
}

}  // namespace computesdk::simulators

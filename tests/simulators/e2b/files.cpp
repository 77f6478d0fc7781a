#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "envd.hpp"
#include "harness/multipart.hpp"

namespace computesdk::simulators {
namespace {

std::string nameOf(const std::string& path) { return path == "/" ? path : path.substr(path.rfind('/') + 1); }
std::string parentOf(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

// As Go's mime.FormatMediaType has it: what is no plain token is quoted, what is not ASCII or no character encoded.
std::string dispositionOf(const std::string& name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || std::strchr("!#$&+-.^_`|~", c) != nullptr; };
  if (std::ranges::all_of(name, plain)) return "inline; filename=" + name;
  std::string quoted, encoded;
  bool ascii = true;
  for (const unsigned char c : name) {
    std::array<char, 4> hex{};
    std::snprintf(hex.data(), hex.size(), "%%%02X", static_cast<unsigned>(c));
    encoded += std::isalnum(c) != 0 ? std::string(1, static_cast<char>(c)) : hex.data();
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<char>(c);
    ascii = ascii && c >= 0x20 && c < 0x7f;
  }
  return ascii ? "inline; filename=\"" + quoted + "\"" : "inline; filename*=utf-8''" + encoded;
}

// The machine's user is envd's "user".
std::string ownerName(const std::string& name) {
  return name == "sandbox" || name == "1000" ? "user" : name.empty() || name == "0" ? "root" : name;
}

std::string permissionsText(EntryType type, std::uint32_t mode) {
  std::string text = type == EntryType::directory ? "d" : type == EntryType::symlink ? "L" : "-";
  for (int bit = 8; bit >= 0; --bit) text += (mode >> bit & 1U) != 0 ? "xwr"[bit % 3] : '-';
  return text;
}

std::string httpDate(const FileEntry& entry) {
  const auto time = entry.modifiedAt ? std::chrono::system_clock::to_time_t(*entry.modifiedAt) : 0;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

std::string queryOf(const Request& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

// Both ends of "bytes=a-b" within a file of `size` bytes; false when the header asks for nothing of that kind.
bool readRange(const std::string& header, std::int64_t size, std::int64_t& begin, std::int64_t& length) {
  if (!header.starts_with("bytes=") || header.find(',') != std::string::npos) return false;
  const std::string from = header.substr(6, header.find('-') - 6), to = header.substr(header.find('-') + 1);
  std::int64_t last = size - 1;
  const auto number = [](const std::string& text, std::int64_t& into) {
    return std::from_chars(text.data(), text.data() + text.size(), into).ec == std::errc();
  };
  if (from.empty()) {
    std::int64_t suffix = 0;
    if (!number(to, suffix)) return false;
    begin = std::max<std::int64_t>(size - suffix, 0);
  } else if (!number(from, begin) || (!to.empty() && !number(to, last))) {
    return false;
  }
  length = std::min(last, size - 1) - begin + 1;
  return begin < size && length > 0;
}

void listInto(Machine& machine, const std::string& path, std::int64_t depth, std::vector<std::string>& entries) {
  for (const FileEntry& entry : machine.list(path)) {
    entries.push_back(entryJson(entry));
    if (entry.type == EntryType::directory && depth > 1) listInto(machine, entry.path, depth - 1, entries);
  }
}

std::string entryAnswer(Machine& machine, const std::string& path) {
  return JsonObject().raw("entry", entryJson(machine.stat(path, false))).text();
}

RpcError rpcError(const MachineError& error) {
  using Kind = MachineError::Kind;
  switch (error.kind()) {
    case Kind::notFound: return {"not_found", error.what()};
    case Kind::exists: return {"already_exists", error.what()};
    case Kind::denied: return {"permission_denied", error.what()};
    case Kind::invalid: return {"invalid_argument", error.what()};
    default: return {"internal", error.what()};
  }
}

using Act = void (*)(Exchange&, Machine&, const rapidjson::Value&);

void statFile(Exchange& exchange, Machine& machine, const rapidjson::Value& message) {
  const std::string path = resolved(textOf(member(&message, "path")));
  try {
    respondUnary(exchange, entryAnswer(machine, path));
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
    respondUnary(exchange, RpcError{"not_found", "file not found: stat " + path + ": no such file or directory"});
  }
}

void listDir(Exchange& exchange, Machine& machine, const rapidjson::Value& message) {
  const std::string path = resolved(textOf(member(&message, "path")));
  if (!machine.exists(path)) {
    return respondUnary(exchange,
                        RpcError{"not_found", "directory not found: stat " + path + ": no such file or directory"});
  }
  if (!isDirectory(machine, path)) {
    return respondUnary(exchange, RpcError{"invalid_argument", "path is not a directory: " + path});
  }
  std::vector<std::string> entries;
  listInto(machine, path, std::max<std::int64_t>(numberOf(member(&message, "depth")), 1), entries);
  JsonObject answer;
  if (!entries.empty()) answer.raw("entries", jsonArray(entries));
  respondUnary(exchange, answer.text());
}

void makeDir(Exchange& exchange, Machine& machine, const rapidjson::Value& message) {
  const std::string path = resolved(textOf(member(&message, "path")));
  if (isDirectory(machine, path)) {
    return respondUnary(exchange, RpcError{"already_exists", "directory already exists: " + path});
  }
  if (machine.exists(path)) {
    return respondUnary(exchange,
                        RpcError{"invalid_argument", "path already exists but it is not a directory: " + path});
  }
  machine.makeDirectory(path);
  respondUnary(exchange, entryAnswer(machine, path));
}

void moveFile(Exchange& exchange, Machine& machine, const rapidjson::Value& message) {
  const std::string from = resolved(textOf(member(&message, "source")));
  const std::string to = resolved(textOf(member(&message, "destination")));
  machine.makeDirectory(parentOf(to));
  try {
    machine.move(from, to);
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
    return respondUnary(exchange, RpcError{"not_found", "source file not found: rename " + from + " " + to +
                                                            ": no such file or directory"});
  }
  respondUnary(exchange, entryAnswer(machine, to));
}

void removeFile(Exchange& exchange, Machine& machine, const rapidjson::Value& message) {
  try {
    machine.remove(resolved(textOf(member(&message, "path"))));
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
  }
  respondUnary(exchange, "{}");
}

std::string writtenJson(const std::string& path) {
  return JsonObject().add("name", nameOf(path)).add("type", "file").add("path", path).text();
}

// Bytes of the request's body, packed or not, into a file.
void writeBody(Machine& machine, Exchange& exchange, const std::string& path) {
  std::string rest;
  const ByteSource source = [&](std::span<std::byte> into) -> std::size_t {
    while (rest.empty()) {
      auto piece = exchange.bodyPiece();
      if (!piece && !exchange.bodyComplete()) throw std::runtime_error("the upload broke off");
      if (!piece) return 0;
      rest = std::move(*piece);
    }
    const std::size_t count = std::min(rest.size(), into.size());
    std::memcpy(into.data(), rest.data(), count);
    rest.erase(0, count);
    return count;
  };
  if (exchange.request.header("content-encoding") != "gzip") return machine.write(path, source);
  machine.makeDirectory(parentOf(path));
  const auto task = machine.start({.argv = {"/bin/sh", "-c", "gzip -dc > \"$1\"", "sh", path}, .input = true});
  std::vector<std::byte> buffer(65536);
  for (std::size_t size = 0; (size = source(buffer)) > 0;) {
    if (!task->write({reinterpret_cast<const char*>(buffer.data()), size})) break;
  }
  task->closeInput();
  const auto end = task->wait(std::chrono::minutes(5));
  if (!end || end->signalled || end->value != 0) throw MachineError(MachineError::Kind::invalid, "invalid gzip body");
}

void respondFileError(Exchange& exchange, const MachineError& error) {
  exchange.close = true;  // part of the body may be unread
  if (error.kind() == MachineError::Kind::diskFull) {
    return respondError(exchange, 507, "not enough disk space available");
  }
  respondError(exchange, error.kind() == MachineError::Kind::invalid ? 400 : 500, error.what());
}

}  // namespace

bool isDirectory(Machine& machine, const std::string& path) {
  try {
    return machine.stat(path).type == EntryType::directory;
  } catch (const MachineError& error) {
    if (error.kind() == MachineError::Kind::gone) throw;
    return false;
  }
}

std::string entryJson(const FileEntry& entry) {
  JsonObject object;
  object.add("name", nameOf(entry.path));
  object.add("type", entry.type == EntryType::directory ? "FILE_TYPE_DIRECTORY"
                     : entry.type == EntryType::symlink ? "FILE_TYPE_SYMLINK"
                     : entry.type == EntryType::file    ? "FILE_TYPE_FILE"
                                                        : "FILE_TYPE_UNSPECIFIED");
  object.add("path", entry.path);
  const std::int64_t size = entry.type == EntryType::directory ? 4096 : entry.size;
  if (size > 0) object.add("size", std::to_string(size));
  if ((entry.mode & 0777U) != 0) object.add("mode", static_cast<std::int64_t>(entry.mode & 0777U));
  object.add("permissions", permissionsText(entry.type, entry.mode));
  object.add("owner", ownerName(entry.owner)).add("group", ownerName(entry.group));
  if (entry.modifiedAt) object.add("modifiedTime", isoTime(*entry.modifiedAt));
  if (entry.type == EntryType::symlink) {
    const bool absolute = entry.linkTarget.starts_with('/');
    object.add("symlinkTarget", resolved(absolute ? entry.linkTarget : parentOf(entry.path) + "/" + entry.linkTarget));
  }
  return object.text();
}

// v1_ and the base64 of sha256("path:operation:user:token[:end]"), unpadded.
bool E2bFiles::isSigned(E2bSimulator& service, const Request& request, std::string_view operation) {
  const std::string signature = queryOf(request, "signature"), end = queryOf(request, "signature_expiration");
  const auto live = service.find(targetOf(request).id);
  if (signature.empty() || !live) return false;
  std::string text = queryOf(request, "path") + ":" + std::string(operation) + ":" + queryOf(request, "username") +
                     ":" + live->box.token;
  if (!end.empty()) {
    text += ":" + end;
    std::int64_t last = 0;
    std::from_chars(end.data(), end.data() + end.size(), last);
    if (Clock::to_time_t(Clock::now()) > last) return false;
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string expected = base64({reinterpret_cast<const char*>(digest), sizeof digest});
  std::string given = signature;
  for (char& c : given) c = c == ' ' ? '+' : c;  // a plus that was not encoded
  while (expected.ends_with('=')) expected.pop_back();
  return given == "v1_" + expected;
}

void E2bFiles::download(E2bSimulator& service, Exchange& exchange) {
  const auto live = service.enter(exchange, isSigned(service, exchange.request, "read"));
  if (!live) return;
  Machine& machine = *live->machine;
  const std::string path = resolved(queryOf(exchange.request, "path"));
  if (!machine.exists(path)) return respondError(exchange, 404, "path '" + path + "' does not exist");
  const FileEntry entry = machine.stat(path);
  if (entry.type == EntryType::directory) return respondError(exchange, 400, "path '" + path + "' is a directory");
  Headers headers = {{"Content-Disposition", dispositionOf(nameOf(path))},
                     {"Accept-Ranges", "bytes"},
                     {"Last-Modified", httpDate(entry)},
                     {"Vary", "Accept-Encoding"}};
  std::int64_t begin = 0, length = 0;
  if (readRange(exchange.request.header("range"), entry.size, begin, length)) {
    headers.emplace_back("Content-Range", "bytes " + std::to_string(begin) + "-" + std::to_string(begin + length - 1) +
                                              "/" + std::to_string(entry.size));
    return exchange.respond(206, machine.read(path, begin, length), "application/octet-stream", headers);
  }
  exchange.begin(200, "application/octet-stream", headers, entry.size);
  std::int64_t left = entry.size;
  try {
    machine.read(path, [&](std::span<const std::byte> bytes) {
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

void E2bFiles::upload(E2bSimulator& service, Exchange& exchange) {
  const auto live = service.enter(exchange, isSigned(service, exchange.request, "write"));
  if (!live) return;
  Machine& machine = *live->machine;
  const std::string given = queryOf(exchange.request, "path"), type = exchange.request.header("content-type");
  std::vector<std::string> written;
  const auto target = [&](const std::string& path) {
    const std::string whole = resolved(path);
    if (isDirectory(machine, whole)) throw MachineError(MachineError::Kind::invalid, "path is a directory: " + whole);
    written.push_back(writtenJson(whole));
    return whole;
  };
  try {
    if (type.starts_with("application/octet-stream")) {
      if (given.empty()) throw MachineError(MachineError::Kind::invalid, "the query has no path");
      writeBody(machine, exchange, target(given));
    } else {
      const std::size_t at = type.find("boundary=");
      if (!type.starts_with("multipart/form-data") || at == std::string::npos) {
        throw MachineError(MachineError::Kind::invalid,
                           "error parsing multipart form: request Content-Type isn't multipart/form-data");
      }
      std::string boundary = type.substr(at + 9);
      std::erase(boundary, '"');
      Multipart parts(boundary, [&exchange] { return exchange.bodyPiece(); });
      while (const auto part = parts.nextPart()) {
        if (part->name != "file") continue;
        if (!given.empty() && !written.empty())
          throw MachineError(MachineError::Kind::invalid, "the path is of one file");
        machine.write(target(given.empty() ? part->filename : given), [&parts](std::span<std::byte> into) {
          const std::size_t size = parts.read(into);
          if (parts.broken()) throw std::runtime_error("the upload broke off");
          return size;
        });
      }
    }
  } catch (const MachineError& error) {
    return respondFileError(exchange, error);
  }
  exchange.respond(200, jsonArray(written));
}

void E2bFiles::addRoutes(E2bSimulator& service, Server& server) {
  const auto add = [&](const char* method, Act act) {
    server.route("POST", std::string("/filesystem.Filesystem/") + method, [&service, act](Exchange& exchange) {
      rapidjson::Document message;
      if (userOf(exchange.request).empty()) {
        return respondUnary(exchange, RpcError{"unauthenticated", "invalid username"});
      }
      const auto live = service.enter(exchange);
      if (!live || !readUnary(exchange, message)) return;
      try {
        act(exchange, *live->machine, message);
      } catch (const MachineError& error) {
        if (error.kind() == MachineError::Kind::gone) return exchange.cut();
        respondUnary(exchange, rpcError(error));
      }
    });
  };
  add("Stat", statFile);
  add("ListDir", listDir);
  add("MakeDir", makeDir);
  add("Move", moveFile);
  add("Remove", removeFile);
  server.route("POST", "/filesystem.Filesystem/WatchDir", [&service](Exchange& exchange) { watch(service, exchange); });
  server.route("GET", "/files", [&service](Exchange& exchange) { download(service, exchange); });
  server.route(
      "POST", "/files", [&service](Exchange& exchange) { upload(service, exchange); }, true);
  server.route("GET", "/health", [&service](Exchange& exchange) {
    if (service.enter(exchange)) exchange.respond(204);
  });
}

}  // namespace computesdk::simulators

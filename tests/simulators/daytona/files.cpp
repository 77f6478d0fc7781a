// The toolbox's files.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "harness/multipart.hpp"
#include "toolbox.hpp"

namespace computesdk::simulators {
namespace {

constexpr const char* kBoundary = "DAYTONA-FILE-BOUNDARY";

std::string nameOf(const std::string& path) { return path == "/" ? path : path.substr(path.rfind('/') + 1); }

// The machine's user is called daytona here.
std::string ownerName(const std::string& name) {
  return name == "sandbox" || name == "1000" ? "daytona" : name.empty() || name == "0" ? "root" : name;
}

// As Go writes it.
std::string modeText(EntryType type, std::uint32_t mode) {
  std::string text = type == EntryType::directory ? "d" : type == EntryType::symlink ? "L" : "-";
  for (int bit = 8; bit >= 0; --bit) text += (mode >> bit & 1U) != 0 ? "xwr"[bit % 3] : '-';
  return text;
}

std::string octal(std::uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode & 0777U);
  return text;
}

std::optional<std::uint32_t> modeIn(const std::string& text) {
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || mode > 07777U) return {};
  return mode;
}

std::string pathIn(const Request& request, const char* name = "path") {
  const std::string path = queryOf(request, name);
  if (path.empty()) throw MachineError(MachineError::Kind::invalid, std::string(name) + " is required");
  return daytonaPath(path);
}

// Quoted as multipart headers have it.
std::string dispositionName(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"') out += "%22";
    if (c == '\r') out += "%0D";
    if (c == '\n') out += "%0A";
    if (c != '"' && c != '\r' && c != '\n') out += c;
  }
  return out;
}

void respondStat(Exchange& exchange, const std::string& path) {
  respondDaemonError(exchange, 404, "FILE_NOT_FOUND", "stat " + path + ": no such file or directory");
}

// What a machine's program gets of a multipart part, or of a whole body.
ByteSource sourceOf(Multipart& parts) {
  return [&parts](std::span<std::byte> into) {
    const std::size_t size = parts.read(into);
    if (parts.broken()) throw std::runtime_error("the upload broke off");
    return size;
  };
}

std::string textOfPart(Multipart& parts) {
  std::string text;
  std::byte buffer[4096];
  for (std::size_t size = 0; (size = parts.read(buffer)) > 0;) {
    text.append(reinterpret_cast<const char*>(buffer), size);
    if (text.size() > 65536) throw MachineError(MachineError::Kind::invalid, "a field is too long");
  }
  return text;
}

std::optional<Multipart> partsOf(Exchange& exchange) {
  const std::string type = exchange.request.header("content-type");
  const std::size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string::npos) return {};
  std::string boundary = type.substr(at + 9);
  std::erase(boundary, '"');
  return Multipart(boundary, [&exchange] { return exchange.bodyPiece(); });
}

}  // namespace

std::string DaytonaToolbox::fileJson(const FileEntry& entry) {
  const std::string time = entry.modifiedAt ? daytonaTime(*entry.modifiedAt) : daytonaTime({});
  JsonObject object;
  object.add("name", nameOf(entry.path)).add("path", entry.path);
  object.add("size", entry.type == EntryType::directory ? std::int64_t{4096} : entry.size);
  object.add("mode", modeText(entry.type, entry.mode)).add("modTime", time).add("modifiedAt", time);
  object.add("isDir", entry.type == EntryType::directory).add("owner", ownerName(entry.owner));
  return object.add("group", ownerName(entry.group)).add("permissions", octal(entry.mode)).text();
}

void DaytonaToolbox::listFiles(Exchange& exchange) {
  const std::string path = daytonaPath(queryOf(exchange.request, "path", "."));
  const std::int64_t depth = numberIn(queryOf(exchange.request, "depth", "1")).value_or(1);
  if (!machine_.exists(path)) return respondStat(exchange, path);
  if (machine_.stat(path).type != EntryType::directory) {
    return respondDaemonError(exchange, 400, "BAD_REQUEST", "readdirent " + path + ": not a directory");
  }
  std::vector<std::string> items;
  const std::function<void(const std::string&, std::int64_t)> visit = [&](const std::string& folder,
                                                                          std::int64_t left) {
    for (const FileEntry& entry : machine_.list(folder)) {
      items.push_back(fileJson(entry));
      if (entry.type == EntryType::directory && left > 1) visit(entry.path, left - 1);
    }
  };
  visit(path, depth);
  exchange.respond(200, jsonArray(items));
}

void DaytonaToolbox::statFile(Exchange& exchange) {
  const std::string path = pathIn(exchange.request);
  if (!machine_.exists(path)) return respondStat(exchange, path);
  FileEntry entry = machine_.stat(path);
  entry.path = path;
  exchange.respond(200, fileJson(entry));
}

void DaytonaToolbox::makeFolder(Exchange& exchange) {
  const std::string path = pathIn(exchange.request);
  const auto mode = modeIn(queryOf(exchange.request, "mode"));
  if (!mode) return respondDaemonError(exchange, 400, "BAD_REQUEST", "invalid mode format");
  const bool there = machine_.exists(path);
  if (there && machine_.stat(path).type != EntryType::directory) {
    return respondDaemonError(exchange, 400, "BAD_REQUEST", "mkdir " + path + ": not a directory");
  }
  machine_.makeDirectory(path);
  if (!there) machine_.chmod(path, *mode);
  exchange.respond(201, {}, {});
}

void DaytonaToolbox::removeFile(Exchange& exchange) {
  const std::string path = pathIn(exchange.request);
  const auto found = [&]() -> std::optional<FileEntry> {
    try {
      return machine_.stat(path, false);
    } catch (const MachineError& error) {
      if (error.kind() != MachineError::Kind::notFound) throw;
      return {};
    }
  }();
  if (!found) return respondStat(exchange, path);
  if (found->type == EntryType::directory && queryOf(exchange.request, "recursive") != "true") {
    return respondDaemonError(exchange, 400, "BAD_REQUEST", "cannot delete directory without recursive flag");
  }
  machine_.remove(path);
  exchange.respond(204);
}

void DaytonaToolbox::moveFile(Exchange& exchange) {
  const std::string from = pathIn(exchange.request, "source"), to = pathIn(exchange.request, "destination");
  machine_.move(from, to);
  exchange.respond(200, {}, {});
}

void DaytonaToolbox::setPermissions(Exchange& exchange) {
  const std::string path = pathIn(exchange.request);
  if (!machine_.exists(path)) return respondStat(exchange, path);
  if (const std::string text = queryOf(exchange.request, "mode"); !text.empty()) {
    const auto mode = modeIn(text);
    if (!mode) return respondDaemonError(exchange, 400, "BAD_REQUEST", "invalid mode format");
    machine_.chmod(path, *mode);
  }
  exchange.respond(200, {}, {});
}

void DaytonaToolbox::download(Exchange& exchange) {
  const std::string path = pathIn(exchange.request);
  if (!machine_.exists(path)) {
    return respondDaemonError(exchange, 404, "FILE_NOT_FOUND", "file not found: " + path);
  }
  const FileEntry entry = machine_.stat(path);
  if (entry.type == EntryType::directory) {
    return respondDaemonError(exchange, 400, "INVALID_FILE_PATH", "path must be a file: " + path);
  }
  exchange.begin(200, "application/octet-stream", {{"Content-Disposition", "attachment"}}, entry.size);
  std::int64_t left = entry.size;
  try {
    machine_.read(path, [&](std::span<const std::byte> bytes) {
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

void DaytonaToolbox::downloadMany(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  const auto paths = textsOf(member(&body, "paths"));
  if (paths.empty()) return respondDaemonError(exchange, 400, "BAD_REQUEST", "paths are required");
  std::string answer;
  const auto part = [&](const char* name, const std::string& path, const char* type, const std::string& content) {
    answer += std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" +
              dispositionName(path) + "\"\r\nContent-Type: " + type +
              "\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content + "\r\n";
  };
  const auto failed = [&](const std::string& path, int status, const char* code, const std::string& message) {
    JsonObject error;
    error.add("statusCode", status).add("source", "DAYTONA_DAEMON").add("code", code).add("message", message);
    part("error", path, "application/json", error.text());
  };
  for (const std::string& asked : paths) {
    const std::string path = daytonaPath(asked);
    try {
      part("file", asked, "application/octet-stream", machine_.read(path));
    } catch (const MachineError& error) {
      using Kind = MachineError::Kind;
      if (error.kind() == Kind::gone) throw;
      if (error.kind() == Kind::notFound) failed(asked, 404, "FILE_NOT_FOUND", "file not found: " + asked);
      if (error.kind() == Kind::denied) failed(asked, 403, "FILE_ACCESS_DENIED", error.what());
      if (error.kind() != Kind::notFound && error.kind() != Kind::denied) {
        failed(asked, 400, "INVALID_FILE_PATH", error.what());
      }
    }
  }
  answer += std::string("--") + kBoundary + "--\r\n";
  exchange.respond(200, answer, std::string("multipart/form-data; boundary=") + kBoundary);
}

// One file, its path in the query, or several, each one's path in a field before it.
void DaytonaToolbox::upload(Exchange& exchange, bool many) {
  auto parts = partsOf(exchange);
  exchange.close = true;  // part of the body may be unread
  if (!parts) {
    return respondDaemonError(exchange, 400, "BAD_REQUEST", "request Content-Type isn't multipart/form-data");
  }
  const auto target = [&](const std::string& path) {
    const std::string whole = daytonaPath(path);
    if (machine_.exists(whole) && machine_.stat(whole).type == EntryType::directory) {
      throw MachineError(MachineError::Kind::isDirectory, "open " + whole + ": is a directory");
    }
    return whole;
  };
  std::map<std::string, std::string> paths;
  int written = 0;
  while (const auto part = parts->nextPart()) {
    if (many && part->name.ends_with(".path")) {
      paths[part->name.substr(0, part->name.size() - 5)] = textOfPart(*parts);
    } else if (many && part->name.ends_with(".file")) {
      const auto path = paths.find(part->name.substr(0, part->name.size() - 5));
      if (path == paths.end())
        return respondDaemonError(exchange, 400, "BAD_REQUEST", part->name + ": its path is missing");
      machine_.write(target(path->second), sourceOf(*parts));
      ++written;
    } else if (!many && part->name == "file") {
      machine_.write(target(pathIn(exchange.request)), sourceOf(*parts));
      ++written;
    }
  }
  if (written == 0) return respondDaemonError(exchange, 400, "BAD_REQUEST", "no file in the form");
  exchange.close = false;
  exchange.respond(200, {}, {});
}

void DaytonaToolbox::searchFiles(Exchange& exchange) {
  const auto task = machine_.start(
      {.argv = {"/usr/bin/find", pathIn(exchange.request), "-name", queryOf(exchange.request, "pattern"), "-print0"},
       .hidden = true});
  task->wait(std::chrono::seconds(30));
  std::vector<std::string> files;
  std::string rest = task->kept(Channel::standardOutput);
  for (std::size_t end = 0; (end = rest.find('\0')) != std::string::npos; rest.erase(0, end + 1)) {
    files.push_back(rest.substr(0, end));
  }
  exchange.respond(200, JsonObject().raw("files", jsonStrings(files)).text());
}

void DaytonaToolbox::findInFiles(Exchange& exchange) {
  const auto task = machine_.start(
      {.argv = {"/bin/grep", "-rnIHZ", "--", queryOf(exchange.request, "pattern"), pathIn(exchange.request)},
       .hidden = true});
  task->wait(std::chrono::seconds(30));
  std::vector<std::string> matches;
  std::string rest = task->kept(Channel::standardOutput);
  for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) {
    const std::size_t name = rest.find('\0'), colon = rest.find(':', name);
    if (name >= end || colon >= end) continue;
    JsonObject match;
    match.add("file", rest.substr(0, name)).add("line", numberIn(rest.substr(name + 1, colon - name - 1)).value_or(0));
    matches.push_back(match.add("content", rest.substr(colon + 1, end - colon - 1)).text());
  }
  exchange.respond(200, jsonArray(matches));
}

void DaytonaToolbox::addFileRoutes(DaytonaSimulator& service, Server& server) {
  using Self = DaytonaToolbox;
  const auto route = [&](const char* method, const char* path, auto act) { add(service, server, method, path, act); };
  route("GET", "/files", [](Self& self, Exchange& exchange) { self.listFiles(exchange); });
  route("DELETE", "/files", [](Self& self, Exchange& exchange) { self.removeFile(exchange); });
  route("GET", "/files/info", [](Self& self, Exchange& exchange) { self.statFile(exchange); });
  route("POST", "/files/folder", [](Self& self, Exchange& exchange) { self.makeFolder(exchange); });
  route("POST", "/files/move", [](Self& self, Exchange& exchange) { self.moveFile(exchange); });
  route("POST", "/files/permissions", [](Self& self, Exchange& exchange) { self.setPermissions(exchange); });
  route("GET", "/files/download", [](Self& self, Exchange& exchange) { self.download(exchange); });
  route("POST", "/files/bulk-download", [](Self& self, Exchange& exchange) { self.downloadMany(exchange); });
  route("GET", "/files/search", [](Self& self, Exchange& exchange) { self.searchFiles(exchange); });
  route("GET", "/files/find", [](Self& self, Exchange& exchange) { self.findInFiles(exchange); });
  add(
      service, server, "POST", "/files/upload", [](Self& self, Exchange& exchange) { self.upload(exchange, false); },
      true);
  add(
      service, server, "POST", "/files/bulk-upload",
      [](Self& self, Exchange& exchange) { self.upload(exchange, true); }, true);
}

}  // namespace computesdk::simulators

// Files of a sandbox: texts and folders in JSON, bytes plain and as form data, large ones in parts.
#include <algorithm>
#include <filesystem>

#include "blaxel.hpp"
#include "harness/multipart.hpp"
#include "text.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::size_t kLargestPart = std::size_t{6} << 20;

/// The path of a request; relative ones begin at the working directory.
std::string pathOf(const std::string& given) {
  const std::string whole = given.starts_with('/') ? given : std::string(kBlaxelHome) + "/" + given;
  std::string clean = std::filesystem::path(whole).lexically_normal();
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

std::string nameOf(const std::string& path) { return path == "/" ? path : path.substr(path.rfind('/') + 1); }

std::string octal(std::uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode & 07777U);
  return text;
}

std::optional<std::uint32_t> modeOf(const std::string& permissions) {
  if (permissions.empty()) return {};
  return static_cast<std::uint32_t>(std::strtoul(permissions.c_str(), nullptr, 8)) & 07777U;
}

std::string ownerOf(const std::string& owner) { return owner == "sandbox" ? "root" : owner; }

JsonObject viewOf(const FileEntry& entry, const std::string& path) {
  JsonObject view;
  view.add("name", blaxelText(nameOf(path)))
      .add("path", blaxelText(path))
      .add("permissions", octal(entry.type == EntryType::symlink ? 0777 : entry.mode))
      .add("size", entry.size)
      .add("lastModified", isoTime(entry.modifiedAt ? Clock::time_point(*entry.modifiedAt) : Clock::time_point{}))
      .add("owner", ownerOf(entry.owner))
      .add("group", ownerOf(entry.group));
  return view;
}

void list(Exchange& exchange, Machine& machine, const std::string& path) {
  std::vector<std::string> files, folders;
  for (const FileEntry& entry : machine.list(path)) {
    const std::string whole = (path == "/" ? "" : path) + "/" + entry.name;
    if (entry.type == EntryType::directory) {
      folders.push_back(JsonObject().add("name", blaxelText(entry.name)).add("path", blaxelText(whole)).text());
    } else {
      files.push_back(viewOf(entry, whole).text());
    }
  }
  exchange.respond(200, JsonObject()
                            .add("name", blaxelText(nameOf(path)))
                            .add("path", blaxelText(path))
                            .raw("files", jsonArray(files))
                            .raw("subdirectories", jsonArray(folders))
                            .text());
}

void read(Exchange& exchange, Machine& machine) {
  const std::string path = pathOf(exchange.request.parts.at(1));
  FileEntry entry;
  try {
    entry = machine.stat(path);
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
    return respondSandboxError(exchange, 404, "open " + blaxelText(path) + ": no such file or directory");
  }
  if (entry.type == EntryType::directory) return list(exchange, machine, path);
  if (entry.type != EntryType::file) return respondSandboxError(exchange, 422, "open: not a regular file");
  if (exchange.request.header("accept") != "application/octet-stream") {
    return exchange.respond(200, viewOf(entry, path).add("content", blaxelText(machine.read(path))).text());
  }
  exchange.begin(200, "application/octet-stream",
                 {{"content-disposition", "attachment; filename=" + jsonText(nameOf(path))}}, entry.size);
  std::int64_t left = entry.size;
  try {
    machine.read(path, [&](std::span<const std::byte> bytes) {
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

std::optional<std::string> boundaryOf(const Exchange& exchange) {
  const std::string type = exchange.request.header("content-type");
  const std::size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string::npos) return {};
  std::string boundary = type.substr(at + 9);
  std::erase(boundary, '"');
  return boundary;
}

struct Form {
  std::string file, permissions;
  bool hasFile = false, tooLarge = false, broken = false;
};

/// Nothing: it is no form.
std::optional<Form> readForm(Exchange& exchange) {
  const auto boundary = boundaryOf(exchange);
  if (!boundary) return {};
  Form form;
  Multipart parts(*boundary, [&exchange] { return exchange.bodyPiece(); });
  while (const auto part = parts.nextPart()) {
    std::string text;
    std::byte buffer[16384];
    for (std::size_t size = 0; (size = parts.read(buffer)) > 0;) {
      if (text.size() <= kLargestPart) text.append(reinterpret_cast<const char*>(buffer), size);
    }
    if (part->name == "file") form.hasFile = true, form.tooLarge = text.size() > kLargestPart, form.file = text;
    if (part->name == "permissions") form.permissions = text;
  }
  form.broken = parts.broken() || !exchange.bodyComplete();
  return form;
}

/// False: it has answered, or there is nobody to answer.
bool usable(Exchange& exchange, const Form& form) {
  if (form.broken) return exchange.close = true, false;
  if (!form.hasFile) return respondSandboxError(exchange, 400, "the form has no file"), false;
  if (form.tooLarge) return respondSandboxError(exchange, 413, "file too large: upload it in parts"), false;
  return true;
}

std::string readAll(Exchange& exchange) {
  std::string body;
  while (const auto piece = exchange.bodyPiece()) body += *piece;
  return body;
}

void respondDone(Exchange& exchange, const char* message, const std::string& path) {
  exchange.respond(200, JsonObject().add("message", message).add("path", blaxelText(path)).text());
}

void put(Exchange& exchange, Machine& machine) {
  const std::string path = pathOf(exchange.request.parts.at(1));
  if (const auto form = readForm(exchange)) {
    if (!usable(exchange, *form)) return;
    const auto mode = modeOf(form->permissions);
    machine.write(path, form->file, mode.value_or(0644));
    if (mode) machine.chmod(path, *mode);
    return respondDone(exchange, "Binary file uploaded successfully", path);
  }
  rapidjson::Document body;
  if (!parseJson(readAll(exchange), body) || !body.IsObject()) {
    return respondSandboxError(exchange, 400, "invalid request body");
  }
  const auto mode = modeOf(textOf(member(&body, "permissions")));
  if (truthOf(member(&body, "isDirectory"))) {
    const bool there = machine.exists(path);
    if (there && machine.stat(path).type != EntryType::directory) {
      return respondSandboxError(exchange, 422, "mkdir " + blaxelText(path) + ": not a directory");
    }
    machine.makeDirectory(path);
    if (!there && mode) machine.chmod(path, *mode);
    return respondDone(exchange, "Directory created successfully", path);
  }
  machine.write(path, textOf(member(&body, "content")), mode.value_or(0644));
  if (mode) machine.chmod(path, *mode);
  respondDone(exchange, "File created/updated successfully", path);
}

void remove(Exchange& exchange, Machine& machine) {
  const std::string path = pathOf(exchange.request.parts.at(1));
  const auto recursive = exchange.request.query.find("recursive");
  FileEntry entry;
  try {
    entry = machine.stat(path, false);
  } catch (const MachineError& error) {
    if (error.kind() != MachineError::Kind::notFound) throw;
    return respondSandboxError(exchange, 404, "remove " + blaxelText(path) + ": no such file or directory");
  }
  const bool folder = entry.type == EntryType::directory;
  const bool all = recursive != exchange.request.query.end() && recursive->second == "true";
  if (folder && !all && !machine.list(path).empty()) {
    const std::string why = ": directory not empty (recursive=true deletes it)";
    return respondSandboxError(exchange, 422, "remove " + blaxelText(path) + why);
  }
  machine.remove(path);
  respondDone(exchange, folder ? "Directory deleted successfully" : "File deleted successfully", path);
}

void putTree(Exchange& exchange, Machine& machine) {
  rapidjson::Document body;
  if (!parseJson(exchange.request.body, body) || !body.IsObject()) {
    return respondSandboxError(exchange, 400, "invalid request body");
  }
  const std::string root = pathOf(exchange.request.parts.at(1));
  for (const auto& [name, text] : textMapOf(member(&body, "files"))) machine.write(root + "/" + name, text);
  list(exchange, machine, root);
}

}  // namespace

void BlaxelFiles::addMultipartRoutes(BlaxelSimulator& service, Server& server) {
  const std::string base = "/filesystem-multipart";
  service.sandboxRoute(server, "POST", base + "/initiate/**", [&service](Exchange& exchange, Machine&) {
    rapidjson::Document body;
    if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
    BlaxelSimulator::Upload upload{exchange.request.parts.at(0), pathOf(exchange.request.parts.at(1)), 0644, {}};
    upload.mode = modeOf(textOf(member(&body, "permissions"))).value_or(0644);
    const std::string id = newBlaxelId(16);
    JsonObject answer;
    answer.add("uploadId", id).add("path", blaxelText(upload.path));
    {
      const std::lock_guard lock(service.mutex_);
      service.uploads_[id] = std::move(upload);
    }
    exchange.respond(200, answer.text());
  });
  service.sandboxRoute(
      server, "PUT", base + "/*/part",
      [&service](Exchange& exchange, Machine&) {
        const auto form = readForm(exchange);
        if (!form) return respondSandboxError(exchange, 400, "the part must be form data");
        if (!usable(exchange, *form)) return;
        const std::int64_t number = std::strtoll(exchange.request.query["partNumber"].c_str(), nullptr, 10);
        if (number < 1 || number > 10000) return respondSandboxError(exchange, 400, "partNumber is out of range");
        {
          const std::lock_guard lock(service.mutex_);
          const auto found = service.uploads_.find(exchange.request.parts.at(1));
          if (found != service.uploads_.end()) {
            found->second.parts[number] = form->file;
            return exchange.respond(200, JsonObject()
                                             .add("etag", "etag-" + std::to_string(number))
                                             .add("partNumber", number)
                                             .add("size", static_cast<std::int64_t>(form->file.size()))
                                             .text());
          }
        }
        respondSandboxError(exchange, 404, "upload not found");
      },
      true);
  service.sandboxRoute(server, "POST", base + "/*/complete", [&service](Exchange& exchange, Machine& machine) {
    rapidjson::Document body;
    if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
    BlaxelSimulator::Upload upload;
    {
      const std::lock_guard lock(service.mutex_);
      const auto found = service.uploads_.find(exchange.request.parts.at(1));
      if (found == service.uploads_.end()) return respondSandboxError(exchange, 404, "upload not found");
      upload = std::move(found->second);
      service.uploads_.erase(found);
    }
    std::string content;
    const rapidjson::Value* const parts = member(&body, "parts");
    for (rapidjson::SizeType i = 0; parts != nullptr && parts->IsArray() && i < parts->Size(); ++i) {
      const std::int64_t number = numberOf(member(&(*parts)[i], "partNumber"));
      const auto part = upload.parts.find(number);
      if (part == upload.parts.end() || textOf(member(&(*parts)[i], "etag")) != "etag-" + std::to_string(number)) {
        return respondSandboxError(exchange, 400, "part " + std::to_string(number) + " was not uploaded");
      }
      content += part->second;
    }
    machine.write(upload.path, content, upload.mode);
    machine.chmod(upload.path, upload.mode);
    respondDone(exchange, "File uploaded successfully", upload.path);
  });
  service.sandboxRoute(server, "DELETE", base + "/*/abort", [&service](Exchange& exchange, Machine&) {
    {
      const std::lock_guard lock(service.mutex_);
      service.uploads_.erase(exchange.request.parts.at(1));
    }
    exchange.respond(200, JsonObject().add("message", "upload aborted").text());
  });
}

void BlaxelFiles::addRoutes(BlaxelSimulator& service, Server& server) {
  addMultipartRoutes(service, server);
  service.sandboxRoute(server, "PUT", "/filesystem/tree/**", putTree);
  service.sandboxRoute(server, "GET", "/filesystem/**", read);
  service.sandboxRoute(server, "PUT", "/filesystem/**", put, true);
  service.sandboxRoute(server, "DELETE", "/filesystem/**", remove);
}

}  // namespace computesdk::simulators

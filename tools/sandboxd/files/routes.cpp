#include <sys/stat.h>

#include <computesdk/serving/reply.hpp>
#include <computesdk/serving/router.hpp>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "files/atomic_file.hpp"
#include "files/batch.hpp"
#include "files/content_stream.hpp"
#include "files/file_info.hpp"
#include "files/path_locks.hpp"
#include "files/paths.hpp"
#include "files/remove_tree.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Reply;
using serving::Request;
using serving::Response;

std::string fileData(const std::string& fileJson) { return JsonObject().raw("file", fileJson).str(); }

Response list(const Context& context, const Request& request) {
  const Result<AskedPath> path = askedPath(context.workingDirectory(), request.queryValue("path").value_or("/"));
  if (!path) return failure(path.error());
  const Result<std::string> files = listFolder(*path);
  if (!files) return failure(files.error());
  return envelope("Files retrieved", JsonObject().raw("files", *files).text("path", path->asked).str());
}

// Content may be large: it is written from the body in which it came.
Response write(const Context& context, Request& request) {
  const Result<rapidjson::Document> body = bodyInPlace(request);
  if (!body) return failure(body.error());
  const Result<std::string> asked = requiredText(*body, "path");
  if (!asked) return failure(asked.error());
  const Result<AskedPath> path = askedPath(context.workingDirectory(), *asked);
  if (!path) return failure(path.error());
  const rapidjson::Value* content = fieldOf(*body, "content");
  if (content != nullptr && !content->IsNull() && !content->IsString()) {
    return failure(invalid("content must be a string"));
  }
  const std::string_view text = content != nullptr && content->IsString() ? viewOf(*content) : std::string_view();
  const auto lock = lockPath(path->absolute);
  struct stat before {};
  const bool isNew = stat(path->absolute.c_str(), &before) != 0;
  if (auto written = writeFile(path->absolute, text); !written) return failure(written.error());
  const Result<std::string> file = fileInfo(*path);
  if (!file) return failure(file.error());
  return envelope(isNew ? "File created" : "File written", fileData(*file), false, isNew ? 201 : 200);
}

Response batch(const Context& context, Request& request) {
  const Result<rapidjson::Document> body = bodyInPlace(request);
  if (!body) return failure(body.error());
  const auto operations = batchOf(context.workingDirectory(), *body);
  if (!operations) return failure(operations.error());
  const BatchOutcome outcome = runBatch(*operations);
  return envelope(outcome.allDone ? "All operations done" : "Some operations failed",
                  JsonObject().raw("results", outcome.results).str(), false, outcome.allDone ? 200 : 207);
}

void read(const Context& context, const Request& request, const Reply& reply) {
  const auto path = askedInUrl(context.workingDirectory(), request.capture("**"), LostSlash::kPossible);
  if (!path) {
    reply.send(failure(path.error()));
    return;
  }
  if (request.queryValue("content") != "true") {
    const Result<std::string> file = fileInfo(*path);
    reply.send(file ? envelope("File retrieved", fileData(*file)) : failure(file.error()));
    return;
  }
  Result<OpenFile> file = openForReading(path->absolute);
  if (!file) {
    reply.send(failure(file.error()));
    return;
  }
  const std::string info = fileInfoJson(path->asked, file->info);
  sendContent(reply, context.workers(), std::move(*file), path->absolute, info);
}

Response exists(const Context& context, const Request& request) {
  const auto path = askedInUrl(context.workingDirectory(), request.capture("**"), LostSlash::kPossible);
  if (!path) return failure(path.error());
  const Result<std::string> file = fileInfo(*path);
  return file ? Response::json(200, {}) : failure(file.error());
}

// A deletion never guesses: of a path without a slash in front, only what is below the working directory goes.
Response remove(const Context& context, const Request& request) {
  const auto path = askedInUrl(context.workingDirectory(), request.capture("**"), LostSlash::kNever);
  if (!path) return failure(path.error());
  const auto lock = lockPath(path->absolute);
  if (auto removed = removeTree(path->absolute); !removed) return failure(removed.error());
  return Response::noContent();
}

}  // namespace

void addFileRoutes(serving::Router& router, Context& context) {
  const std::size_t most = context.limits().body;
  router.onBlocking("GET", "/files", [&context](const Request& request) { return list(context, request); });
  router
      .onBlockingAsync("POST", "/files",
                       [&context](Request request, const Reply& reply) { reply.send(write(context, request)); })
      .bodyLimit(most);
  router
      .onBlockingAsync("POST", "/files/batch",
                       [&context](Request request, const Reply& reply) { reply.send(batch(context, request)); })
      .bodyLimit(most);
  router.onBlockingAsync("GET", "/files/**",
                         [&context](const Request& request, const Reply& reply) { read(context, request, reply); });
  router.onBlocking("HEAD", "/files/**", [&context](const Request& request) { return exists(context, request); });
  router.onBlocking("DELETE", "/files/**", [&context](const Request& request) { return remove(context, request); });
}

}  // namespace computesdk::sandboxd

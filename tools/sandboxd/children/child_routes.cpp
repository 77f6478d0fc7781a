// /sandboxes…: child sandboxes, each a daemon base of its own on a directory of its own.
#include <computesdk/serving/router.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "auth/secret.hpp"
#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "files/paths.hpp"
#include "files/remove_tree.hpp"
#include "servers/setup.hpp"

namespace computesdk::sandboxd {
namespace {

using ContextPtr = std::shared_ptr<Context>;

constexpr std::size_t kMostChildren = 256;

/// SandboxInfo. Loop's thread only.
std::string sandboxJson(Context& sandbox) {
  return JsonObject()
      .text("subdomain", sandbox.subdomain())
      .text("directory", sandbox.workingDirectory())
      .boolean("is_main", sandbox.isMain())
      .text("created_at", sandbox.createdAt())
      .text("url", sandbox.baseUrl())
      .raw("overlays", overlaySummaries(sandbox))
      .raw("servers", serverSummaries(sandbox))
      .str();
}

void tellAll(const Context& context, const std::string& type, const std::string& json) {
  for (const ContextPtr& sandbox : context.shared().sandboxes->all()) sandbox->hub().broadcast(type, json);
}

serving::Response unknownSandbox(const std::string& subdomain) {
  return failure(missing("Sandbox not found: " + subdomain, "list them with GET /sandboxes"));
}

/// Makes the directory, and tells the topmost folder that was not there before; empty: all were.
Result<std::string> makeDirectory(const std::string& directory) {
  const std::filesystem::path path(directory);
  std::filesystem::path first;
  std::error_code problem;
  for (auto at = path; !at.empty() && !std::filesystem::exists(at, problem) && !problem; at = at.parent_path()) {
    first = at;
  }
  std::filesystem::create_directories(path, problem);
  if (problem || !std::filesystem::is_directory(path, problem)) {
    return invalid("directory cannot be made: " + directory, problem ? problem.message() : "there is a file");
  }
  return first.string();
}

/// Opens the child and gives it its overlays and servers; what was made of it goes again when something fails.
Result<ContextPtr> openChild(Context& context, const std::string& subdomain, const std::string& directory,
                             const rapidjson::Value& options) {
  Sandboxes& sandboxes = *context.shared().sandboxes;
  const auto made = makeDirectory(directory);
  if (!made) return made.error();
  auto child = sandboxes.add(subdomain, directory);
  Result<void> applied;
  if (child) {
    // Paths of its servers are relative to its directory: only it can read them.
    auto plan = setupPlanOf(**child, options);
    applied = plan ? applyPlan(**child, std::move(*plan)) : Result<void>(plan.error());
    if (applied) return child;
    child->reset();
    sandboxes.remove(subdomain);
  }
  if (!made->empty()) {
    // The failure that led here is the one to be told.
    if (const auto removed = removeTree(*made); !removed) std::fprintf(stderr, "%s\n", removed.error().what.c_str());
  }
  return child ? applied.error() : child.error();
}

void createChild(Context& context, const serving::Request& request, const serving::Reply& reply) {
  const auto body = bodyOf(request);
  if (!body) return void(reply.send(failure(body.error())));
  const auto asked = optionalText(*body, "directory");
  if (!asked) return void(reply.send(failure(asked.error())));
  if (*asked && ((*asked)->empty() || (*asked)->find('\0') != std::string::npos)) {
    return void(reply.send(failure(invalid("directory must be a path"))));
  }
  const auto sandboxes = context.shared().sandboxes->all();
  if (sandboxes.size() > kMostChildren) {
    ErrorInfo info = conflicting("too many child sandboxes", "delete some with DELETE /sandboxes/:subdomain");
    info.code = ErrorCode::resourceExhausted;
    return void(reply.send(failure(info)));
  }
  const Context& main = *sandboxes.front();
  const std::string subdomain = "sandbox-" + randomHex(5);
  const std::string directory = normalPath(main.resolve(asked->value_or(".sandboxes/" + subdomain)));
  const auto child = openChild(context, subdomain, directory, *body);
  if (!child) return void(reply.send(failure(child.error())));
  // Its servers are looked at on the loop.
  context.loop().post([child = *child, &context, reply, owner = request.context] {
    tellAll(context, "sandbox.created",
            JsonObject().text("subdomain", child->subdomain()).text("url", child->baseUrl()).str());
    reply.send(plain(sandboxJson(*child)));
  });
}

/// Whether `inner` is `outer` or below it, links followed.
bool isWithin(const std::string& inner, const std::string& outer) {
  std::error_code problem;  // what cannot be looked at is compared as it is written
  auto path = std::filesystem::weakly_canonical(inner, problem);
  if (problem) path = inner;
  auto top = std::filesystem::weakly_canonical(outer, problem);
  if (problem) top = outer;
  return std::mismatch(top.begin(), top.end(), path.begin(), path.end()).first == top.end();
}

serving::Response deleteChild(Context& context, const serving::Request& request) {
  Sandboxes& sandboxes = *context.shared().sandboxes;
  const std::string& subdomain = request.capture("subdomain");
  const std::string flag = request.queryValue("delete_files").value_or("false");
  if (flag != "true" && flag != "false") return failure(invalid("delete_files must be true or false"));
  const ContextPtr child = sandboxes.find(subdomain);
  if (!child) return unknownSandbox(subdomain);
  if (child->isMain()) return failure(invalid("the main sandbox cannot be deleted"));
  const std::string directory = child->workingDirectory();
  for (const ContextPtr& other : sandboxes.all()) {
    if (flag == "true" && other != child && isWithin(other->workingDirectory(), directory)) {
      return failure(conflicting("the directory of sandbox " + other->subdomain() + " lies in " + directory,
                                 "delete that sandbox first, or this one without its files"));
    }
  }
  if (!sandboxes.remove(subdomain)) return unknownSandbox(subdomain);
  tellAll(context, "sandbox.deleted", JsonObject().text("subdomain", subdomain).str());
  if (flag == "true") {
    const auto removed = removeTree(directory);
    if (!removed && removed.error().code != ErrorCode::fileNotFound) return failure(removed.error());
  }
  return serving::Response::noContent();
}

serving::Response listChildren(const Context& context) {
  std::vector<std::string> all;
  for (const ContextPtr& sandbox : context.shared().sandboxes->all()) all.push_back(sandboxJson(*sandbox));
  return plain(JsonObject().raw("sandboxes", jsonArray(all)).str());
}

}  // namespace

void addChildRoutes(serving::Router& router, Context& context) {
  using serving::Request;
  router.onBlockingAsync("POST", "/sandboxes", [&context](const Request& request, const serving::Reply& reply) {
    createChild(context, request, reply);
  });
  router.on("GET", "/sandboxes", [&context](const Request&) { return listChildren(context); });
  router.on("GET", "/sandboxes/:subdomain", [&context](const Request& request) {
    const ContextPtr sandbox = context.shared().sandboxes->find(request.capture("subdomain"));
    return sandbox ? plain(sandboxJson(*sandbox)) : unknownSandbox(request.capture("subdomain"));
  });
  router.onBlocking("DELETE", "/sandboxes/:subdomain",
                    [&context](const Request& request) { return deleteChild(context, request); });
}

}  // namespace computesdk::sandboxd

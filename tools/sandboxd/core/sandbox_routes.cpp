#include "core/sandbox_routes.hpp"

#include <algorithm>
#include <utility>

#include "core/answer.hpp"

namespace computesdk::sandboxd {

struct SandboxInstance {
  SandboxInstance(Shared& shared, const std::string& subdomain, const std::string& directory, std::string url,
                  bool main)
      : context(shared, subdomain, directory, std::move(url), main) {}

  Context context;
  serving::Router router;
};

namespace {

constexpr std::string_view kChildPrefix = "/s/";

serving::Response notAuthenticated() {
  ErrorInfo info;
  info.code = ErrorCode::authRejected;
  info.what = "Unauthorized: the token is missing, unknown, expired or revoked";
  info.fix = "send `Authorization: Bearer <token>` with the sandbox's access token or one of its session tokens";
  return failure(info);
}

serving::Response noSuchSandbox() {
  return failure(missing("Sandbox not found", "list the child sandboxes with GET /sandboxes"));
}

std::shared_ptr<Context> contextOf(const std::shared_ptr<SandboxInstance>& instance) {
  return {instance, &instance->context};
}

serving::Response health(const serving::Request&) {
  return plain(JsonObject().text("status", "ok").text("timestamp", timestamp()).str());
}

}  // namespace

RoutedSandboxes::RoutedSandboxes(Shared& shared, std::vector<RoomBuilder> rooms)
    : shared_(shared), rooms_(std::move(rooms)) {
  shared_.sandboxes = this;
  // As a hook it answers before the body, which is not kept for somebody who has shown no token.
  unknown_.before([](const serving::Request&) { return std::optional(noSuchSandbox()); });
  unknown_.fallback([](const serving::Request&, const serving::Reply& reply) { reply.send(noSuchSandbox()); });
}

RoutedSandboxes::~RoutedSandboxes() { shared_.sandboxes = nullptr; }

std::shared_ptr<SandboxInstance> RoutedSandboxes::build(const std::string& subdomain, const std::string& directory,
                                                        bool isMain) {
  auto url = isMain ? std::string() : shared_.config.baseUrl + std::string(kChildPrefix) + subdomain;
  auto instance = std::make_shared<SandboxInstance>(shared_, subdomain, directory, std::move(url), isMain);
  instance->router.on("GET", "/health", health).open().bodyLimit(kOpenBody);
  instance->router.before([this](serving::Request& request) -> std::optional<serving::Response> {
    auto* owner = std::any_cast<RequestOwner>(&request.context);
    if (owner == nullptr) owner = &request.context.emplace<RequestOwner>();
    owner->identity = shared_.authenticate ? shared_.authenticate(request) : Identity{TokenKind::access, {}};
    if (owner->identity.kind == TokenKind::none) return notAuthenticated();
    return std::nullopt;
  });
  for (const auto& room : rooms_) room(instance->router, instance->context);
  return instance;
}

Context& RoutedSandboxes::open() {
  auto instance = build(shared_.config.subdomain, shared_.config.workingDirectory, true);
  const std::lock_guard lock(mutex_);
  main_ = std::move(instance);
  return main_->context;
}

serving::Router& RoutedSandboxes::route(serving::Request& request) {
  std::shared_ptr<SandboxInstance> instance;
  {
    const std::lock_guard lock(mutex_);
    instance = main_;
    if (request.path.rfind(kChildPrefix, 0) == 0) {
      const auto end = std::min(request.path.find('/', kChildPrefix.size()), request.path.size());
      const auto name = request.path.substr(kChildPrefix.size(), end - kChildPrefix.size());
      const auto child = std::find_if(children_.begin(), children_.end(),
                                      [&](const auto& each) { return each->context.subdomain() == name; });
      if (child == children_.end()) return unknown_;
      request.path = end == request.path.size() ? "/" : request.path.substr(end);
      instance = *child;
    }
  }
  auto& router = instance->router;
  request.context = RequestOwner{{}, std::move(instance)};
  return router;
}

Result<std::shared_ptr<Context>> RoutedSandboxes::add(const std::string& subdomain, const std::string& directory) {
  if (find(subdomain)) {
    ErrorInfo info = conflicting("a sandbox called " + subdomain + " exists already");
    info.code = ErrorCode::alreadyExists;
    return info;
  }
  auto instance = build(subdomain, directory, false);
  const std::lock_guard lock(mutex_);
  children_.push_back(instance);
  return contextOf(instance);
}

bool RoutedSandboxes::remove(const std::string& subdomain) {
  std::shared_ptr<SandboxInstance> child;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(children_.begin(), children_.end(),
                                 [&](const auto& each) { return each->context.subdomain() == subdomain; });
    if (at == children_.end()) return false;
    child = std::move(*at);
    children_.erase(at);
  }
  child->context.stop();
  // Requests that are under way hold it themselves; tasks that its rooms posted before they stopped may not have run.
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(retired_, [&](const auto& each) { return now - each.first > std::chrono::seconds(60); });
  retired_.emplace_back(now, std::move(child));
  return true;
}

std::shared_ptr<Context> RoutedSandboxes::find(const std::string& subdomain) const {
  const std::lock_guard lock(mutex_);
  if (main_ && main_->context.subdomain() == subdomain) return contextOf(main_);
  for (const auto& child : children_) {
    if (child->context.subdomain() == subdomain) return contextOf(child);
  }
  return nullptr;
}

std::vector<std::shared_ptr<Context>> RoutedSandboxes::all() const {
  std::vector<std::shared_ptr<Context>> out;
  const std::lock_guard lock(mutex_);
  if (main_) out.push_back(contextOf(main_));
  for (const auto& child : children_) out.push_back(contextOf(child));
  return out;
}

void RoutedSandboxes::stop() {
  for (;;) {
    std::string name;
    {
      const std::lock_guard lock(mutex_);
      if (children_.empty()) break;
      name = children_.back()->context.subdomain();
    }
    remove(name);
  }
  if (main_) main_->context.stop();
}

}  // namespace computesdk::sandboxd

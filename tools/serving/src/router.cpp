#include <computesdk/serving/router.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace computesdk::serving {

Route& Route::bodyLimit(std::uint64_t bytes) {
  maxBody = bytes;
  return *this;
}

Route& Route::streamBody() {
  streamsBody = true;
  return *this;
}

Route& Route::open() {
  hooks = false;
  return *this;
}

Route& Route::raw() {
  asItIs = true;
  return *this;
}

/// Routes as a tree of segments.
struct Router::Tree {
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::unique_ptr<Node> capture;
    std::vector<Route*> routes;  ///< that end here
    std::vector<Route*> rest;    ///< that take all that follows
  };

  Node root;
  std::deque<Route> routes;  ///< does not move them
  std::vector<Hook> before;
  std::vector<Hook> beforeBlocking;
  AsyncHandler fallback;

  Route& add(Route route);
};

namespace {

/// Names of the captures of a pattern, "**" for its rest.
std::vector<std::string> captureNames(std::string_view pattern) {
  std::vector<std::string> names;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const std::string_view segment = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(segment.size());
    if (segment == "**") names.emplace_back(segment);
    if (!segment.empty() && segment.front() == ':') names.emplace_back(segment.substr(1));
  }
  return names;
}

const Route* forMethod(const std::vector<Route*>& routes, std::string_view method) {
  const Route* any = nullptr;
  const Route* get = nullptr;
  for (const Route* route : routes) {
    if (route->method == method) return route;
    if (route->method == "*") any = route;
    if (route->method == "GET") get = route;
  }
  return method == "HEAD" && get != nullptr ? get : any;
}

/// One walk through the tree, from the most literal road to the least.
class Walk {
 public:
  Walk(std::string_view method, Router::Match& match) : method_(method), match_(match) {}

  template <class Node>
  bool node(const Node& node, std::string_view path) {
    if (path.empty()) return finish(node.routes);
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    const std::string_view below = path.substr(segment.size());
    if (const auto found = node.literals.find(segment); found != node.literals.end()) {
      if (this->node(*found->second, below)) return true;
    }
    if (node.capture && !segment.empty()) {
      values_.push_back(segment);
      if (this->node(*node.capture, below)) return true;
      values_.pop_back();
    }
    if (node.rest.empty()) return false;
    values_.push_back(path);
    if (finish(node.rest)) return true;
    values_.pop_back();
    return false;
  }

  [[nodiscard]] std::string allow() const {
    std::string text;
    for (const std::string& method : allowed_) text += (text.empty() ? "" : ", ") + method;
    return text;
  }

 private:
  bool finish(const std::vector<Route*>& routes) {
    const Route* route = forMethod(routes, method_);
    if (route == nullptr) {
      for (const Route* other : routes) allowed_.insert(other->method);
      if (allowed_.contains("GET")) allowed_.insert("HEAD");
      return false;
    }
    match_.route = route;
    const std::vector<std::string> names = captureNames(route->pattern);
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::optional<std::string> value =
          names[i] == "**" ? std::optional<std::string>(values_[i]) : percentDecode(values_[i]);
      match_.badEncoding = match_.badEncoding || !value;
      match_.captures.emplace_back(names[i], std::move(value).value_or(""));
    }
    return true;
  }

  std::string_view method_;
  Router::Match& match_;
  std::vector<std::string_view> values_;
  std::set<std::string> allowed_;
};

}  // namespace

Route& Router::Tree::add(Route route) {
  Route& stored = routes.emplace_back(std::move(route));
  Node* node = &root;
  for (std::string_view rest = stored.pattern; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    if (segment == "**") {
      node->rest.push_back(&stored);
      return stored;
    }
    std::unique_ptr<Node>& next =
        !segment.empty() && segment.front() == ':' ? node->capture : node->literals[std::string(segment)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  node->routes.push_back(&stored);
  return stored;
}

Router::Router() : tree_(std::make_unique<Tree>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

Route& Router::on(std::string method, std::string pattern, Handler handler) {
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.handler = std::move(handler);
  return tree_->add(std::move(route));
}

Route& Router::onBlocking(std::string method, std::string pattern, Handler handler) {
  Route& route = on(std::move(method), std::move(pattern), std::move(handler));
  route.blocking = true;
  return route;
}

Route& Router::onAsync(std::string method, std::string pattern, AsyncHandler handler) {
  Route& route = on(std::move(method), std::move(pattern), {});
  route.asyncHandler = std::move(handler);
  return route;
}

Route& Router::onBlockingAsync(std::string method, std::string pattern, AsyncHandler handler) {
  Route& route = onAsync(std::move(method), std::move(pattern), std::move(handler));
  route.blocking = true;
  return route;
}

void Router::before(Hook hook) { tree_->before.push_back(std::move(hook)); }
void Router::beforeBlocking(Hook hook) { tree_->beforeBlocking.push_back(std::move(hook)); }
void Router::fallback(AsyncHandler handler) { tree_->fallback = std::move(handler); }

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  if (path.empty() || path.front() != '/') return match;
  Walk walk(method, match);
  if (!walk.node(tree_->root, path)) match.allow = walk.allow();
  return match;
}

std::vector<std::string> Router::patterns() const {
  std::vector<std::string> out;
  for (const Route& route : tree_->routes) out.push_back(route.method + " " + route.pattern);
  std::sort(out.begin(), out.end());
  return out;
}

const std::vector<Hook>& Router::hooks() const noexcept { return tree_->before; }
const std::vector<Hook>& Router::blockingHooks() const noexcept { return tree_->beforeBlocking; }
const AsyncHandler& Router::fallbackHandler() const noexcept { return tree_->fallback; }

}  // namespace computesdk::serving

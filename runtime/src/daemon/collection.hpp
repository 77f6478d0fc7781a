#pragma once

#include "daemon/event_channel.hpp"

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::detail {

/// Things of one kind that a daemon keeps: how they are called and where they are.
struct Collection {
  std::string_view thing;   ///< "terminal"
  std::string_view things;  ///< "terminals"
  std::string_view path;    ///< "/terminals"
  std::string_view member;  ///< of the list's answer: "terminals"

  [[nodiscard]] std::string pathOf(std::string_view id) const { return below(std::string(path) + "/", id); }
};

/// Makes one; `take` makes the value of the answer.
template <typename T, typename F>
Result<T> createOne(SandboxState& sandbox, const Collection& of, std::string body, std::stop_token stop, F&& take) {
  const DaemonCall call{.what = "cannot create a " + std::string(of.thing),
                        .method = "POST",
                        .target = std::string(of.path),
                        .body = std::move(body),
                        .stop = std::move(stop)};
  return askFor<T>(sandbox, call, std::forward<F>(take));
}

/// All of them, in the daemon's order.
template <typename T, typename F>
Result<std::vector<T>> listAll(SandboxState& sandbox, const Collection& of, std::stop_token stop, F&& take) {
  const DaemonCall call{
      .what = "cannot list " + std::string(of.things), .target = std::string(of.path), .stop = std::move(stop)};
  return askFor<std::vector<T>>(sandbox, call, [&](const JsonView& json) {
    std::vector<T> all;
    json[of.member].eachItem([&](const JsonView& one) { all.push_back(take(one)); });
    return all;
  });
}

template <typename T, typename F>
Result<T> findOne(SandboxState& sandbox, const Collection& of, std::string_view id, std::stop_token stop, F&& take) {
  const DaemonCall call{
      .what = "cannot find the " + std::string(of.thing), .target = of.pathOf(id), .stop = std::move(stop)};
  return askFor<T>(sandbox, call, std::forward<F>(take));
}

/// Ends one. `query`: what stands after its path.
inline Result<void> destroyOne(SandboxState& sandbox, const Collection& of, std::string_view id, std::stop_token stop,
                               std::string_view query = {}) {
  return tell(sandbox, {.what = "cannot destroy the " + std::string(of.thing),
                        .method = "DELETE",
                        .target = of.pathOf(id).append(query),
                        .stop = std::move(stop)});
}

}  // namespace computesdk::detail

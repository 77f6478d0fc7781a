#include "views.hpp"

#include <algorithm>
#include <charconv>

#include "output.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::size_t kShownBytes = std::size_t{1} << 20;
constexpr std::int64_t kPage = 20, kLongestPage = 1000;

std::string optional(const std::optional<std::string>& text) { return text ? jsonText(*text) : "null"; }
std::string optional(std::int64_t number) { return number == 0 ? "null" : std::to_string(number); }

// The last lines of an output, and whether that is less than all of it.
std::pair<std::string, bool> endOf(const std::string& all, std::int64_t lines) {
  std::size_t begin = all.size() > kShownBytes ? all.size() - kShownBytes : 0;
  std::size_t at = all.size();
  if (at > 0 && all[at - 1] == '\n') --at;
  for (std::int64_t i = 0; i < lines; ++i) {
    const std::size_t before = at == 0 ? std::string::npos : all.rfind('\n', at - 1);
    if (before == std::string::npos) return {utf8Of(std::string_view(all).substr(begin)), begin > 0};
    at = before;
  }
  begin = std::max(begin, at + 1);
  return {utf8Of(std::string_view(all).substr(begin)), begin > 0};
}

}  // namespace

std::string RunloopViews::of(const RunloopSimulator::Tunnel& tunnel) {
  return JsonObject()
      .add("auth_mode", tunnel.mode)
      .add("create_time_ms", tunnel.createTime)
      .add("http_keep_alive", tunnel.keepAlive)
      .add("wake_on_http", tunnel.wake)
      .add("tunnel_key", tunnel.key)
      .raw("auth_token", tunnel.token.empty() ? "null" : jsonText(tunnel.token))
      .text();
}

std::string RunloopViews::of(const RunloopSimulator::Box& box) {
  std::vector<std::string> transitions;
  for (const auto& [status, time] : box.transitions) {
    transitions.push_back(JsonObject().add("status", status).add("transition_time_ms", time).text());
  }
  return JsonObject()
      .add("id", box.id)
      .raw("name", optional(box.name))
      .add("status", box.status)
      .add("create_time_ms", box.createTime)
      .raw("end_time_ms", optional(box.endTime))
      .add("metadata", box.metadata)
      .raw("capabilities", "[]")
      .raw("blueprint_id", optional(box.blueprintId))
      .raw("snapshot_id", optional(box.snapshotId))
      .raw("launch_parameters", box.launchJson)
      .raw("state_transitions", jsonArray(transitions))
      .raw("failure_reason", "null")
      .raw("shutdown_reason", box.shutdownReason.empty() ? "null" : jsonText(box.shutdownReason))
      .add("initiator_type", "api")
      .raw("tunnel", box.tunnel ? of(*box.tunnel) : "null")
      .text();
}

std::string RunloopViews::of(const RunloopSimulator::Snapshot& snapshot) {
  return JsonObject()
      .add("id", snapshot.id)
      .add("create_time_ms", snapshot.createTime)
      .add("metadata", snapshot.metadata)
      .add("source_devbox_id", snapshot.boxId)
      .raw("name", optional(snapshot.name))
      .raw("commit_message", optional(snapshot.message))
      .add("size_bytes", 4096)
      .raw("source_blueprint_id", "null")
      .text();
}

std::string RunloopViews::of(const RunloopSimulator::Blueprint& blueprint) {
  return JsonObject()
      .add("id", blueprint.id)
      .add("name", blueprint.name)
      .add("status", Clock::now() < blueprint.readyAt ? "building" : "build_complete")
      .add("state", "created")
      .add("create_time_ms", blueprint.createTime)
      .raw("parameters", blueprint.parametersJson)
      .text();
}

std::string RunloopViews::of(const RunloopSimulator::Execution& execution, std::int64_t lines) {
  const auto end = execution.task->ended();
  JsonObject view;
  view.add("devbox_id", execution.boxId).add("execution_id", execution.id).raw("shell_name", optional(execution.shell));
  if (!end) {
    return view.add("status", "running")
        .raw("exit_status", "null")
        .raw("stdout", "null")
        .raw("stderr", "null")
        .add("stdout_truncated", false)
        .add("stderr_truncated", false)
        .text();
  }
  const auto [out, outCut] = endOf(execution.task->kept(Channel::standardOutput), lines);
  const auto [err, errCut] = endOf(execution.task->kept(Channel::standardError), lines);
  return view.add("status", "completed")
      .add("exit_status", end->signalled ? 128 + end->value : end->value)
      .add("stdout", out)
      .add("stderr", err)
      .add("stdout_truncated", outCut)
      .add("stderr_truncated", errCut)
      .text();
}

std::string runloopQuery(const Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

void respondPage(Exchange& exchange, const char* name, const std::vector<ListItem>& items) {
  const std::string after = runloopQuery(exchange.request, "starting_after");
  const std::string wanted = runloopQuery(exchange.request, "limit");
  std::int64_t limit = kPage;
  if (!wanted.empty()) {
    const char* const end = wanted.data() + wanted.size();
    if (std::from_chars(wanted.data(), end, limit).ptr != end || limit < 1) {
      return respondRunloopError(exchange, 400, "limit: must be a positive number");
    }
  }
  limit = std::min(limit, kLongestPage);
  auto first = items.begin();
  if (!after.empty()) {
    first = std::find_if(items.begin(), items.end(), [&](const ListItem& item) { return item.id == after; });
    if (first == items.end()) return respondRunloopError(exchange, 400, "starting_after: no such id: " + after);
    ++first;
  }
  const std::int64_t left = items.end() - first, shown = std::min(left, limit);
  std::vector<std::string> page;
  for (auto item = first; item != first + shown; ++item) page.push_back(item->json);
  JsonObject answer;
  answer.raw(name, jsonArray(page)).add("has_more", left > shown);
  if (runloopQuery(exchange.request, "include_total_count") != "false") {
    answer.add("total_count", static_cast<std::int64_t>(items.size())).add("remaining_count", left - shown);
  }
  exchange.respond(200, answer.text());
}

}  // namespace computesdk::simulators

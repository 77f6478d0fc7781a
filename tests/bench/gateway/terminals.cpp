// Hundreds of terminals that print steadily: everything must arrive, and none may stop.
#include "terminal.hpp"

#include <cstring>

namespace computesdk::bench {
namespace {

constexpr std::chrono::seconds kPatience{120};  // beyond the time that the lines take
constexpr const char* kPrinter = R"(pace=/tmp/pace.$$
mkfifo "$pace"
exec 9<>"$pace"
rm "$pace"
fill=$(printf '%090d' 0)
for ((i = 1; i <= $1; i++)); do
  printf '@%06d %s\n' "$i" "$fill"
  read -rt 0.1 -u 9
done
exec sleep infinity
)";
constexpr std::size_t kLineLength = 1 + 6 + 1 + 90;

/// What one terminal has said.
struct Listener {
  std::string rest;
  int lines = 0;
  Clock::time_point last;
  Clock::duration silence{0};  ///< the longest between two messages
};

/// All of them together. put() on the crowd's thread.
class Listeners {
 public:
  Listeners(std::size_t count, int lines) : all_(count), lines_(lines) {}

  void put(std::size_t which, std::string_view message) {
    const std::string output = outputOf(message);
    if (output.empty()) return;
    const std::lock_guard lock(mutex_);
    Listener& listener = all_[which];
    listener.rest += output;
    const int before = listener.lines;
    for (std::size_t end = 0; (end = listener.rest.find('\n')) != std::string::npos; listener.rest.erase(0, end + 1)) {
      take(which, listener, std::string_view(listener.rest).substr(0, end));
    }
    if (listener.lines == before) return;
    const auto now = Clock::now();
    if (before > 0) listener.silence = std::max(listener.silence, now - listener.last);
    listener.last = last_ = now;
    if (begin_ == Clock::time_point()) begin_ = now;
    ++messages_;
    bytes_ += static_cast<long long>(message.size());
    if (listener.lines == lines_) ++done_;
    changed_.notify_all();
  }

  bool wait(std::chrono::seconds limit) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return done_ == all_.size() || !wrong_.empty(); });
  }

  void print(Report& report) {
    const std::lock_guard lock(mutex_);
    if (!wrong_.empty()) throw Problem(wrong_);
    long long missing = 0;
    Clock::duration silence{0};
    for (const Listener& each : all_) {
      missing += lines_ - each.lines;
      silence = std::max(silence, each.silence);
    }
    const auto took = std::max<long long>(std::chrono::nanoseconds(last_ - begin_).count(), 1);
    report.print("terminals_missing", missing);
    report.print("terminals_messages", messages_ * 1'000'000'000 / took);
    report.print("terminals_bytes", bytes_ * 1'000'000'000 / took);
    report.print("terminals_silence", std::chrono::nanoseconds(silence).count());
  }

 private:
  void take(std::size_t which, Listener& listener, std::string_view line) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with('@') || line.size() < 2 || line[1] < '0' || line[1] > '9') return;  // the shell's own words
    char expected[16];
    std::snprintf(expected, sizeof expected, "@%06d ", listener.lines + 1);
    if (line.size() == kLineLength && line.starts_with(expected)) {
      ++listener.lines;
    } else if (wrong_.empty()) {
      wrong_ = "terminal " + std::to_string(which) + " says \"" + std::string(line) + "\" where \"" + expected +
               "\" belongs";
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Listener> all_;
  const int lines_;
  std::size_t done_ = 0;
  long long messages_ = 0;
  long long bytes_ = 0;
  Clock::time_point begin_, last_;
  std::string wrong_;
};

}  // namespace

void measureTerminals(World& world, Report& report, const Sizes& sizes) {
  const std::vector<Box> boxes = world.boxes(sizes.sandboxes);
  for (const Box& box : boxes) {
    conformance::Value file;
    file.set("path", "/tmp/printer.sh").set("content", kPrinter);
    (void)world.ask(box, "POST", "/files", file.print());
  }
  std::vector<std::string> ids;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < sizes.terminals; ++i) {
    ids.push_back(makeTerminal(world, boxes[i % boxes.size()]));
    paths.push_back(boxes[i % boxes.size()].socketPath());
  }
  Listeners listeners(ids.size(), sizes.lines);
  {
    Crowd crowd(world.port(), std::move(paths),
                [&](std::size_t which, std::string_view text) { listeners.put(which, text); });
    crowd.waitOpen(kPatience);
    const std::string order = "exec bash /tmp/printer.sh " + std::to_string(sizes.lines) + "\n";
    for (std::size_t i = 0; i < ids.size(); ++i) {
      crowd.send(i, subscription(ids[i]));
      crowd.send(i, typing(ids[i], order));
    }
    const bool all = listeners.wait(kPatience + std::chrono::seconds(sizes.lines / 10));
    report.print("terminals_rss", world.gateway().resident());
    crowd.check();
    listeners.print(report);
    if (!all) throw Problem("not everything that terminals printed arrived");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Caller caller(world.port());
    (void)caller.ask(boxes[i % boxes.size()].request("DELETE", "/terminals/" + ids[i]));
  }
}

}  // namespace computesdk::bench

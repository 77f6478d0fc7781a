#include "world.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace computesdk::bench {
namespace {

using conformance::Child;
using conformance::Value;
namespace fs = std::filesystem;

constexpr const char* kKey = "key-of-the-benchmark-0123456789";
constexpr std::chrono::seconds kStartTime{30};
/// Sandboxes that this program does not come to destroy end by themselves.
constexpr const char* kCreate = R"({"timeout":1800000})";

conformance::Environment gatewayEnvironment() {
  conformance::Environment out = conformance::ownEnvironment();
  out["COMPUTESDK_GATEWAY_KEY"] = kKey;
  return out;
}

}  // namespace

const char* const kPortServer = R"(import http.server, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        left = int(self.path.strip("/") or 0)
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        block = bytes(1 << 18)
        while left:
            left -= self.wfile.write(memoryview(block)[:left])

    def do_PUT(self):
        left = size = int(self.headers["Content-Length"])
        block = memoryview(bytearray(1 << 18))
        while left:
            got = self.rfile.readinto1(block[:left])
            if not got:
                return
            left -= got
        text = str(size).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

server = Server(("127.0.0.1", 8600), Handler)
with open("/tmp/up", "w") as up:  # whoever started it waits there
    up.write("up\n")
server.serve_forever()
)";
const char* const kBeforePortServer = "mkfifo /tmp/up";
const char* const kStartPortServer = "exec python3 /tmp/port_server.py";
const char* const kAwaitPortServer = "read line </tmp/up";

void Report::print(const std::string& metric, long long value) {
  std::printf("gateway/%s %lld\n", metric.c_str(), value);
  std::fflush(stdout);
  last_[metric] = value;
}

void Report::require(const std::string& metric, long long most) const {
  const auto found = last_.find(metric);
  if (found == last_.end()) throw Problem(metric + " was not measured");
  if (found->second > most)
    throw Problem(metric + " is " + std::to_string(found->second) + ", more than " + std::to_string(most));
}

Scratch::Scratch() {
  std::string pattern = (fs::temp_directory_path() / "csdk-gateway-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw Problem(pattern + ": cannot be made");
  path_ = pattern;
  ::setenv("HOME", pattern.c_str(), 1);
  for (const auto& [variable, below] : {std::pair("XDG_RUNTIME_DIR", "run"), std::pair("XDG_STATE_HOME", "state"),
                                        std::pair("XDG_CACHE_HOME", "cache"), std::pair("XDG_DATA_HOME", "data")}) {
    fs::create_directory(path_ / below);
    fs::permissions(path_ / below, fs::perms::owner_all);
    ::setenv(variable, (path_ / below).c_str(), 1);
  }
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ServerProgram::ServerProgram(const std::string& name, const std::vector<std::string>& words,
                             conformance::Environment environment) {
  Child::Options options;
  options.environment = std::move(environment);
  // What it says on both streams comes as one.
  options.argv = {"/bin/sh", "-c", R"(exec "$0" "$@" 2>&1)",
                  (fs::read_symlink("/proc/self/exe").parent_path() / name).string()};
  options.argv.insert(options.argv.end(), words.begin(), words.end());
  child_ = std::make_unique<Child>(options);
  constexpr std::string_view kSays = "listening on http://";
  while (const auto line = child_->readLine(kStartTime)) {
    const std::size_t at = line->find(kSays);
    if (at == std::string::npos) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), line->c_str());
      continue;
    }
    const std::size_t colon = line->find(':', at + kSays.size());
    port_ = static_cast<std::uint16_t>(std::strtoul(line->c_str() + colon + 1, nullptr, 10));
    return;
  }
  throw Problem(name + " does not say where it listens");
}

ServerProgram::~ServerProgram() {
  ::kill(child_->pid(), SIGTERM);
  (void)child_->wait(kStartTime);
}

long long ServerProgram::numberIn(const char* file, std::string_view name) const {
  std::ifstream in("/proc/" + std::to_string(child_->pid()) + "/" + file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::strtoll(line.c_str() + name.size(), nullptr, 10) * 1024;
  }
  throw Problem(std::string("/proc has no ") + std::string(name) + " of a measured program");
}

long long ServerProgram::resident() const { return numberIn("smaps_rollup", "Rss:"); }
long long ServerProgram::proportional() const { return numberIn("smaps_rollup", "Pss:"); }
long long ServerProgram::peak() const { return numberIn("status", "VmHWM:"); }

void ServerProgram::forgetPeak() const {
  std::ofstream out("/proc/" + std::to_string(child_->pid()) + "/clear_refs");
  if (!(out << "5" << std::flush)) throw Problem("the peak of a measured program cannot be forgotten");
}

std::string Box::request(std::string_view method, std::string_view below, std::string_view body) const {
  return requestText(method, path(below), body, {{"Authorization", "Bearer " + token}});
}

World::World(const Scratch& scratch)
    : gateway_("computesdk-gateway",
               {"serve", "--listen", "127.0.0.1:0", "--store", "sqlite:" + (scratch.path() / "gateway.db").string(),
                "--rate-limit", "0", "--max-sandboxes", "0", "--drain", "1s"},
               gatewayEnvironment()) {}

World::~World() {
  for (const Box& box : boxes_) {
    try {
      Caller caller(port());
      (void)caller.ask(requestText("DELETE", "/v1/sandboxes/" + box.id, {}, {{"X-ComputeSDK-API-Key", kKey}}));
    } catch (const Problem& problem) {
      std::fprintf(stderr, "sandbox %s is left to its timeout: %s\n", box.id.c_str(), problem.what());
    }
  }
}

std::vector<Box> World::boxes(std::size_t count) {
  while (boxes_.size() < count) {
    Caller caller(port());
    const Answer made = caller.ask(requestText("POST", "/v1/sandboxes", kCreate, {{"X-ComputeSDK-API-Key", kKey}}));
    if (made.status != 200 && made.status != 201) throw Problem("no sandbox: " + made.body);
    const Value answer = Value::parse(made.body, "the gateway's answer");
    const Value& data = answer.at("data");
    boxes_.push_back({data.at("sandboxId").asString(), data.at("token").asString()});
    (void)ask(boxes_.back(), "GET", "/health");
  }
  return {boxes_.begin(), boxes_.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::string World::ask(const Box& box, std::string_view method, std::string_view below, std::string_view body) const {
  Caller caller(port());
  const Answer answer = caller.ask(box.request(method, below, body));
  if (answer.status < 200 || answer.status > 299) {
    throw Problem(std::string(method) + " " + std::string(below) + " is answered with " +
                  std::to_string(answer.status) + ": " + answer.body);
  }
  return answer.body;
}

std::string World::portServer(const Box& box) {
  const std::string path = box.path("/p/" + std::to_string(kServedPort));
  if (std::exchange(serving_[box.id], true)) return path;
  Value file;
  file.set("path", "/tmp/port_server.py").set("content", kPortServer);
  (void)ask(box, "POST", "/files", file.print());
  const auto run = [&](const char* line, bool background) {
    Value command;
    command.set("command", line).set("background", background);
    (void)ask(box, "POST", "/run/command", command.print());
  };
  run(kBeforePortServer, false);
  run(kStartPortServer, true);
  run(kAwaitPortServer, false);
  Caller caller(port());
  if (caller.ask(requestText("GET", path + "/1")).status == 200) return path;
  throw Problem("the server in the sandbox does not answer");
}

}  // namespace computesdk::bench

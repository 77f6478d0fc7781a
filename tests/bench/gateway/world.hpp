#pragma once

#include "child.hpp"
#include "load.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace computesdk::bench {

/// How much of everything.
struct Sizes {
  int rounds = 1;
  std::chrono::milliseconds turn{2000};  ///< of one load
  std::size_t sandboxes = 16;
  std::size_t sockets = 8000;
  std::size_t terminals = 500;
  int lines = 100;  ///< that each terminal prints, ten a second
  std::uint64_t fileBytes = 1ULL << 30U;
};

/// What was measured: prints METRIC VALUE at once, and remembers.
class Report {
 public:
  void print(const std::string& metric, long long value);
  /// Throws Problem when the last value of a metric was more.
  void require(const std::string& metric, long long most) const;

 private:
  std::map<std::string, long long> last_;
};

/// A folder of this program's own that goes with it, and where its sandboxes are known. Sets HOME and the XDG
/// variables.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A program beside this one that says where it listens, as "…:PORT" at the end of a line's first part.
class ServerProgram {
 public:
  ServerProgram(const std::string& name, const std::vector<std::string>& words, conformance::Environment environment);
  ~ServerProgram();
  ServerProgram(const ServerProgram&) = delete;
  ServerProgram& operator=(const ServerProgram&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Bytes: what of it is in memory now, its own and shared.
  [[nodiscard]] long long resident() const;
  /// Bytes: the same, what is shared counted by its share.
  [[nodiscard]] long long proportional() const;
  /// The most that was resident since forgetPeak(), in bytes.
  [[nodiscard]] long long peak() const;
  void forgetPeak() const;

 private:
  [[nodiscard]] long long numberIn(const char* file, std::string_view name) const;

  std::unique_ptr<conformance::Child> child_;
  std::uint16_t port_ = 0;
};

/// A sandbox that the gateway made.
struct Box {
  std::string id, token;
  /// A path of its daemon's, as the gateway has it.
  [[nodiscard]] std::string path(std::string_view below) const { return "/s/" + id + std::string(below); }
  /// A request to its daemon.
  [[nodiscard]] std::string request(std::string_view method, std::string_view below, std::string_view body = {}) const;
  /// Where its WebSocket is.
  [[nodiscard]] std::string socketPath() const { return path("/ws?protocol=json&token=" + token); }
};

/// The gateway with sandboxes of provider `local`. Destroys them at its end.
class World {
 public:
  explicit World(const Scratch& scratch);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] const ServerProgram& gateway() const { return gateway_; }
  [[nodiscard]] std::uint16_t port() const { return gateway_.port(); }
  /// The first so many sandboxes; makes those that are missing.
  std::vector<Box> boxes(std::size_t count);
  /// Asks a daemon; an answer other than 2xx throws Problem.
  std::string ask(const Box& box, std::string_view method, std::string_view below, std::string_view body = {}) const;
  /// Starts the server of kPortServer in a sandbox, once, and waits until it answers. The path of its port.
  std::string portServer(const Box& box);

 private:
  ServerProgram gateway_;
  std::vector<Box> boxes_;
  std::map<std::string, bool> serving_;
};

/// A server for the port kServedPort: GET /N answers N bytes, PUT takes bytes and answers their number.
extern const char* const kPortServer;
/// The command lines that run it from /tmp/port_server.py: before, in the background, and until it listens.
extern const char* const kBeforePortServer;
extern const char* const kStartPortServer;
extern const char* const kAwaitPortServer;
inline constexpr std::uint16_t kServedPort = 8600;

// The measurements.
void measureRates(World& world, Report& report, const Sizes& sizes);
void measureIdle(World& world, Report& report, const Sizes& sizes);
void measureTerminals(World& world, Report& report, const Sizes& sizes);
void measureSlow(World& world, Report& report, const Sizes& sizes);
void measureFile(World& world, Report& report, const Sizes& sizes);

}  // namespace computesdk::bench

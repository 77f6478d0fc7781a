#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// Runs the built `computesdk` in a world of its own.
namespace computesdk::cli::test {

/// How a run of the program ended. A signal that killed it is 1000 + its number.
struct Ended {
  int code = -1;
  std::string out;
  std::string err;
};

/// A started program; killed and reaped when the object goes.
class Running {
 public:
  struct Setup {
    std::vector<std::string> argv;
    std::map<std::string, std::string> env;
    std::string folder = {};
    bool terminal = false;        ///< the three standard descriptors are a terminal of 80x24
    void (*inChild)() = nullptr;  ///< runs in the child before the program; async-signal-safe functions only
  };
  explicit Running(const Setup& setup);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Hands it to the program's input, keeping what it says meanwhile; gives up when the program takes no more, or after
  /// 30 s.
  void write(std::string_view text);
  void closeInput();
  /// Stops reading one of its outputs: its next write there fails.
  void closeOutput();
  /// Reads until stdout (the terminal's output, with `terminal`) holds `text`; false at its end or after 30 s.
  bool waitForOutput(std::string_view text);
  void signal(int number) const;
  /// Closes its input, reads both outputs to their end and reaps it. Kills it after 60 s.
  Ended wait();

 private:
  bool readSome(int timeoutMilliseconds);
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  Ended ended_;
};

/// A home and a working folder; with `shell` also a folder with the example provider of that name, which runs commands
/// on this machine. Nothing of the real environment is seen but COMPUTESDK_CLI: the program, when it is not the built
/// one.
class World {
 public:
  explicit World(bool shell = true);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::filesystem::path path(std::string_view below) const { return root_ / below; }
  /// Folder in which the provider keeps its sandboxes, as folders.
  [[nodiscard]] std::filesystem::path sandboxes() const { return root_ / "sandboxes"; }
  /// How many sandboxes there are.
  [[nodiscard]] std::size_t count() const;

  Running::Setup setup(std::vector<std::string> words) const;
  /// Runs it to its end; `words` follow the program's name.
  Ended run(std::vector<std::string> words, std::string_view input = {}) const;
  /// Makes a sandbox; answers its id.
  std::string create() const;

  std::map<std::string, std::string> env;  ///< of the runs; may be changed

 private:
  void addShell();
  std::filesystem::path root_;
};

/// Whether the provider `local` is built and can isolate here; if not, the reason.
bool localWorks(World& world, std::string& reason);

}  // namespace computesdk::cli::test

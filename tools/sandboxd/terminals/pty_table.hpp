// Interactive terminals.
#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/loop.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"
#include "core/utf8.hpp"
#include "socket/throttle.hpp"

namespace computesdk::sandboxd {

struct PtyOrder {
  std::string shell;  ///< name or path; empty: the default one
  bool base64 = false;
  bool encodingNamed = false;  ///< the client asked for an encoding: tell it in answers
};

/// A shell with its pseudo terminal.
struct Pty {
  explicit Pty(std::size_t replay) : ring(replay) {}

  std::string id;
  PtyOrder order;
  std::shared_ptr<Process> process;  ///< null while it is being started
  Utf8Stream text;
  TextRing ring;
  std::unique_ptr<Throttle> throttle;
  std::vector<serving::Timer> announcements;
  bool ended = false;  ///< destroyed, or its shell is gone

  [[nodiscard]] std::string channel() const { return "terminal:" + id; }
};

/// Loop's thread only, apart from the constructor. What a PTY says is told on its channel; it lives until it is
/// destroyed or its shell ends, whoever listens.
class PtyTable : public std::enable_shared_from_this<PtyTable> {
 public:
  using Made = std::function<void(const Result<std::shared_ptr<Pty>>&)>;

  explicit PtyTable(Context& context) : context_(context) {}
  PtyTable(const PtyTable&) = delete;
  PtyTable& operator=(const PtyTable&) = delete;

  /// Registers the messages of terminals and the end of the sandbox. Once, when rooms are built.
  void open();

  /// Starts a shell. `others` are the terminals that count for the limit too.
  void create(PtyOrder order, std::size_t others, Made made);
  /// Tells all clients of a new terminal 40, 200 and 800 ms from now, until one subscribes: they wait for that message
  /// after they had the answer. Call when the answer is sent.
  void announce(const std::shared_ptr<Pty>& pty);
  [[nodiscard]] std::shared_ptr<Pty> find(const std::string& id) const;
  [[nodiscard]] std::vector<std::shared_ptr<Pty>> all() const;
  /// Kills a terminal with all its descendants; `done` is called when nothing is left, or after 2 s. False: not there.
  bool destroy(const std::string& id, std::function<void()> done);

 private:
  void took(const std::shared_ptr<Pty>& pty, Result<std::shared_ptr<Process>> spawned, const Made& made);
  void told(const std::shared_ptr<Pty>& pty, std::string_view bytes);
  void say(const Pty& pty, const std::string& text, Connection* to);
  void replay(const std::string& channel, Connection& connection);
  void input(const ClientMessage& message, Connection& connection);
  void resize(const ClientMessage& message, Connection& connection);
  void end(const std::shared_ptr<Pty>& pty);
  void wasGone(const std::string& id);
  void stopAll();

  Context& context_;
  std::map<std::string, std::shared_ptr<Pty>> ptys_;
  std::map<std::string, std::shared_ptr<Pty>> leaving_;  ///< ended, with descendants that are still there
  std::multimap<std::string, std::function<void()>> goneCalls_;
  bool closed_ = false;
  std::function<void()> drained_;
};

/// The sandbox's table, made on first use while rooms are built.
std::shared_ptr<PtyTable> ptyTableOf(Context& context);

/// The shell of a new terminal: the one that is named, else $SHELL, bash, sh. An empty text when it is not there.
std::string chooseShell(const std::string& named, const std::map<std::string, std::string, std::less<>>& environment);

/// The announcement `terminal:created` of a terminal.
std::string createdData(std::string_view id);

}  // namespace computesdk::sandboxd

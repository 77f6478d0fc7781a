// What a Sandbox handle holds, shared by the files that implement it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "channel.hpp"
#include "launcher_client.hpp"
#include "meta.hpp"
#include "sandbox.hpp"

namespace computesdk::local {

struct SandboxState {
  std::shared_ptr<Launcher> launcher;  // null: made by another process. First, since the others hold it up
  Meta meta;                           // as created; its end may have moved since
  UniqueFd init;                       // to the sandbox's process 1; any thread may send
  UniqueFd control;                    // to the launcher: one request at a time, under controlMutex
  UniqueFd root;                       // O_PATH of its root folder
  UniqueFd registry;                   // the registry's folder
  bool registered = false;
  bool asRoot = false;                       // this process is root and the sandbox is not
  std::shared_ptr<limits::FileTree> groups;  // of one that another process made, with control groups
  std::mutex controlMutex;
};

// An answer of the launcher on the control socket. kNotFound when the sandbox has ended.
Result<std::uint64_t> request(SandboxState& state, protocol::FrameType type, std::span<const char> body,
                              const char* what);
Result<std::uint64_t> request(SandboxState& state, protocol::FrameType type, std::uint64_t value, const char* what);

// A call to init with its own channel. The descriptors are lent.
Result<UniqueFd> call(SandboxState& state, protocol::FrameType type, std::span<const char> body,
                      std::span<const int> fds);

Error endedError(const SandboxState& state);

// The body of kExec. kInvalidArgument when the command cannot be said in one.
struct CommandLine {
  const std::vector<std::string>& argv;
  const std::string& shell;
  const std::string& cwd;
  const Pairs& env;
  Milliseconds timeout{0};  // of a background command
};
Result<std::vector<char>> execBody(const SandboxState& state, const CommandLine& command, std::uint32_t flags,
                                   std::optional<PtySize> pty);

// What init says of an ended command, as the caller sees it; an Error for what never started for lack of means.
Result<ExitStatus> toStatus(const protocol::ExitBody& exit, const std::string& cwd);

// As root, files inside are touched with the sandbox's own identity: right owners, no privilege.
class SandboxIdentity {
 public:
  explicit SandboxIdentity(const SandboxState& state);
  ~SandboxIdentity();
  SandboxIdentity(const SandboxIdentity&) = delete;
  SandboxIdentity& operator=(const SandboxIdentity&) = delete;

 private:
  bool active_;
};

}  // namespace computesdk::local

// Between the engine's values and the plug-in ABI's. Views returned here look into their argument.
#pragma once

#include <computesdk/provider.hpp>

#include <span>
#include <string>
#include <vector>

#include "engine/result.hpp"
#include "engine/types.hpp"

namespace computesdk::local {

// The engine's failure as the exception that the edge turns into a status. `subject` says of what a kNotFound without a
// system error is: a sandbox (then the failure is of class GONE) or something else.
enum class Subject { sandbox, other };
[[noreturn]] void raise(const Error& error, Subject subject = Subject::sandbox);

template <class T>
T take(Result<T> result, Subject subject = Subject::sandbox) {
  if (!result.ok()) raise(result.error(), subject);
  return std::move(result.value());
}
inline void check(const Status& status, Subject subject = Subject::sandbox) {
  if (!status.ok()) raise(status.error(), subject);
}

Pairs toPairs(csdk_pairs pairs);
std::vector<std::string> toStrings(csdk_strs list);

// What the caller of create asked for; throws plugin::Error for what `local` cannot do.
CreateSpec toSpec(const csdk_create_args& args);

void emitInfo(const plugin::Call& call, const SandboxInfo& info, std::span<const std::string> notices = {});
// Sentences for the limits that were asked for and are only soft here.
std::vector<std::string> softLimitNotices(const csdk_create_args& asked, const SandboxInfo& info);
void emitSnapshot(const plugin::Call& call, const SnapshotSummary& snapshot);
void emitProcess(const plugin::Call& call, const ProcessInfo& info, std::string_view tag = {});
void emitExit(const plugin::Call& call, const ExitStatus& status);
void emitEntry(const plugin::Call& call, std::string_view path, std::string_view name, const FileStat& stat);
std::string toJson(const SandboxStats& stats);

}  // namespace computesdk::local

#pragma once

#include <computesdk/result.hpp>

#include "core/sandbox_state.hpp"

#include <optional>
#include <string>
#include <string_view>

// The layout of the store of names. Keys, with % and : of workspace, namespace and name percent-encoded, so that (a,
// b:c) and (a:b, c) differ:
//   sandbox:namespace:WORKSPACE:NAMESPACE   -> id (uuid) of the namespace's parent record
//   sandbox:name:WORKSPACE:NAMESPACE:NAME   -> id of the sandbox
//   sandbox:record:WORKSPACE:ID             -> provider, token, name, namespace, parent (a text record)
// A claim has the name's key: who is making the sandbox, while it is being made.
namespace computesdk::detail {

class NamedStore;

struct NameKeys {
  NameKeys(std::string_view workspace, std::string_view nameSpace, std::string_view name);
  std::string parent;
  std::string name;
  std::string siblings;  ///< prefix of the names of the namespace
  std::string record(std::string_view id) const;

 private:
  std::string recordPrefix_;
};

/// What the store says of a name.
struct NamedEntry {
  std::string id;
  std::string provider;
  std::string token;
  std::string parentId;
};

std::string_view workspaceOf(const ComputeConfig& config) noexcept;
Result<std::optional<NamedEntry>> readName(NamedStore& store, const NameKeys& keys);
/// Removes the name if it still means `id`, its record, and the parent with the last name. Whether it did.
Result<bool> removeName(NamedStore& store, const NameKeys& keys, const std::string& id);
/// The parent of a namespace, made if there is none.
Result<std::string> parentOf(NamedStore& store, const NameKeys& keys);
/// Binds the name to a sandbox, whatever it meant before. With `claimOwner`, only while that claim holds. Whether it
/// did.
Result<bool> bindName(NamedStore& store, const NameKeys& keys, const Naming& naming, const std::string& provider,
                      const registry::SandboxRecord& record, const std::string& claimOwner);
/// removeName for a sandbox that was destroyed; a failure is logged.
void forgetName(Setup& setup, const Naming& naming, const std::string& id);
/// 32 random hex digits in the form of a uuid.
std::string newUuid();

}  // namespace computesdk::detail

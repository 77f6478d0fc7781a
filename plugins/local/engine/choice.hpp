// Which engine makes a sandbox: what each can do, and in which order they are tried.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"
#include "root_plan.hpp"
#include "types.hpp"

namespace computesdk::local {

// Whether this engine can be used by this process at all, and for such a sandbox. kUnavailable, kUnimplemented: what
// it cannot do, and the way out.
Status canMeetBy(EngineKind engine, const CreateSpec& spec, const RootPlan& plan);

// Those that may work where `engine` does not, in the order of preference.
std::vector<EngineKind> alternativesTo(EngineKind engine);

// For the end of an error of the first engine: why another one did not do either.
std::string alsoFailed(EngineKind engine, const Error& error);

// The path of bwrap: a program of root's that nobody else can change. `given` is looked at alone if it is not empty,
// else /usr/bin, /usr/local/bin and then PATH. kUnavailable names the package.
Result<std::string> findBubblewrap(const std::string& given = {});

// When bubblewrap ended without a sandbox: from what it said. kInvalidArgument for a mount of these, else kUnavailable.
Error explainBubblewrap(std::string_view said, std::span<const Mount> mounts);

}  // namespace computesdk::local

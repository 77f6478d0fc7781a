#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include "core/json.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace computesdk::gateway {

/// What a request to make a sandbox says.
struct SandboxOptions {
  std::string provider;
  std::optional<std::chrono::milliseconds> timeout;
  std::string templateId, image, snapshotId, runtime, directory;
  std::string metadata = "{}";  ///< JSON object as given
  StringMap metadataTexts;      ///< its members as texts, for providers
  StringMap envs;
  std::string name, nameSpace;
  std::string setup;   ///< {"overlays":[…],"servers":[…]} for the daemon; empty: neither is given
  std::string extras;  ///< {"overlays":…,"servers":…} as given; empty: neither
  OptionMap options;   ///< keys that the gateway does not know: the vendor's own
};

/// Reads the body of a create. Errors: E_INVALID_ARGUMENT naming the field.
Result<SandboxOptions> readSandboxOptions(const JsonValue& body);

/// A body that must be a JSON object; an empty one counts as {}. Errors: E_INVALID_ARGUMENT.
Result<JsonDocument> readBody(std::string_view body);
/// A text member; nothing when absent or null. Errors: E_INVALID_ARGUMENT.
Result<std::optional<std::string>> textField(const JsonValue& object, std::string_view key);
/// A positive number of milliseconds (or zero with `zero`). Errors: E_INVALID_ARGUMENT.
Result<std::optional<std::chrono::milliseconds>> durationField(const JsonValue& object, std::string_view key,
                                                               bool zero);

}  // namespace computesdk::gateway

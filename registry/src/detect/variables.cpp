#include "detect/variables.hpp"

namespace computesdk::registry {
namespace {

/// A file of the working directory may bring a key, but never say where keys are sent.
bool mayComeFromFile(std::string_view name) {
  if (name.starts_with("COMPUTESDK_")) return false;
  for (std::string_view word : {"URL", "DOMAIN", "PATH", "HOST", "ENDPOINT"}) {
    if (name.find(word) != std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> Variables::fromEnvironment(std::string_view name) const {
  const Environment& environment = options_.environment;
  if (environment.secure || !environment.get) return std::nullopt;
  auto value = environment.get(name);
  return value && !value->empty() ? value : std::nullopt;
}

const FileVariable* Variables::fromFile(std::string_view name) const {
  if (options_.environment.secure || secretNames_.find(name) == secretNames_.end() || !mayComeFromFile(name)) {
    return nullptr;
  }
  auto found = options_.fileVariables.find(std::string(name));
  return found != options_.fileVariables.end() && !found->second.value.empty() ? &found->second : nullptr;
}

std::optional<std::string> Variables::get(std::string_view name) const {
  if (auto value = fromEnvironment(name)) return value;
  const FileVariable* file = fromFile(name);
  return file != nullptr ? std::optional(file->value) : std::nullopt;
}

std::string Variables::originNote(std::string_view name) const {
  if (options_.fileVariables.empty() || fromEnvironment(name)) return {};
  const FileVariable* file = fromFile(name);
  return file != nullptr ? " (from " + file->origin + ")" : std::string{};
}

}  // namespace computesdk::registry

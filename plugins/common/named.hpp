#pragma once

#include <computesdk/plugin.h>

#include <string>

namespace computesdk::vendor {

/// A name for a sandbox at a vendor whose names are unique and narrow, made of a namespace and a name that may be
/// anything: "computesdk-" and 16 hexadecimal digits, always the same. Two that meet in it are told apart by the labels
/// that a provider sets.
std::string uniqueName(csdk_str nameSpace, csdk_str name);

/// Labels that say what a sandbox with such a name was made for.
inline constexpr const char* kNamespaceLabel = "computesdk-namespace";
inline constexpr const char* kNameLabel = "computesdk-name";

}  // namespace computesdk::vendor

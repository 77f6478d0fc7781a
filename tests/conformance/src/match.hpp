#pragma once

#include "value.hpp"

#include <string>
#include <vector>

namespace computesdk::conformance {

/// Bytes as a case writes them: a text, or {"text": "ab", "times": 3}, {"base64": "AAE="}, {"random": SEED, "size": N},
/// {"join": [parts]}. Throws Problem.
std::string bytesOf(const Value& value);
/// Whether a value is written as one of those objects.
bool isBytes(const Value& value);

/// What is different from what a case expects; empty when nothing is. An expected object needs each of its members and
/// ignores others; {"$…": …} asks more than equality (README.md). Throws Problem for an operator that does not exist.
std::vector<std::string> mismatches(const Value& expected, const Value& actual, const std::string& path = {});

/// For messages: quoted, escaped, shortened in the middle.
std::string shown(std::string_view bytes, std::size_t most = 200);
inline std::string shown(const std::string& bytes) { return shown(std::string_view(bytes)); }
std::string shown(const Value& value);

}  // namespace computesdk::conformance

// JSON that is not to be trusted, read with bounds. The one place of this folder that parses it.
#pragma once

#include <rapidjson/document.h>

#include <string>
#include <string_view>
#include <vector>

#include "../engine/result.hpp"

namespace computesdk::local::rootfs {

constexpr std::size_t kMostJson = 4U << 20;

// kInvalidArgument: no JSON object, or nested deeper than 64. `what` names it in the error.
Status parseJson(std::string_view text, const std::string& what, rapidjson::Document& document);

// "" and nullptr where there is no such member of that type.
std::string textAt(const rapidjson::Value& object, const char* name);
const rapidjson::Value* arrayAt(const rapidjson::Value& object, const char* name);
const rapidjson::Value* objectAt(const rapidjson::Value& object, const char* name);
std::vector<std::string> textsAt(const rapidjson::Value& object, const char* name);
std::uint64_t numberAt(const rapidjson::Value& object, const char* name);

}  // namespace computesdk::local::rootfs

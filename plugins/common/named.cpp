#include "common/named.hpp"

#include <computesdk/provider/views.hpp>

#include <cstdint>
#include <cstdio>
#include <string_view>

namespace computesdk::vendor {

std::string uniqueName(csdk_str nameSpace, csdk_str name) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  };
  add(plugin::view(nameSpace));
  add(std::string_view("\0", 1));
  add(plugin::view(name));
  char text[40];
  const int size = std::snprintf(text, sizeof text, "computesdk-%016llx", static_cast<unsigned long long>(hash));
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace computesdk::vendor

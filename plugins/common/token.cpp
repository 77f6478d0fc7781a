#include "common/token.hpp"

#include "common/text.hpp"

#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <algorithm>

namespace computesdk::vendor {
namespace {

constexpr std::string_view kHead = "csdk1";

bool isControl(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

/// Only what would be taken for syntax, so that host names stay readable.
std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '%' || c == '&' || c == '=' || isControl(c)) {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::optional<SandboxToken> SandboxToken::parse(csdk_bytes token) {
  std::string_view rest = plugin::text(token);
  if (rest.size() > CSDK_TOKEN_MAX || std::any_of(rest.begin(), rest.end(), isControl)) return {};
  if (!rest.starts_with(kHead)) return {};
  rest.remove_prefix(kHead.size());
  SandboxToken out;
  while (!rest.empty()) {
    if (rest.front() != '&') return {};
    rest.remove_prefix(1);
    const std::string_view field = rest.substr(0, rest.find('&'));
    rest.remove_prefix(field.size());
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos || equals == 0) return {};
    const std::string value = percentDecode(field.substr(equals + 1));
    if (std::any_of(value.begin(), value.end(), isControl)) return {};
    if (!out.values_.emplace(field.substr(0, equals), value).second) return {};
  }
  return out;
}

std::string SandboxToken::get(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::string() : found->second;
}

SandboxToken& SandboxToken::set(std::string_view key, std::string_view value) {
  if (value.empty()) {
    values_.erase(std::string(key));
  } else {
    values_.insert_or_assign(std::string(key), std::string(value));
  }
  return *this;
}

std::string SandboxToken::write() const {
  std::string out(kHead);
  for (const auto& [key, value] : values_) {
    out += '&';
    out += key;
    out += '=';
    out += escape(value);
  }
  if (out.size() > CSDK_TOKEN_MAX) {
    throw plugin::Error(CSDK_OUT_OF_RANGE, "what is to be remembered about the sandbox is longer than " +
                                               std::to_string(CSDK_TOKEN_MAX) + " bytes");
  }
  return out;
}

}  // namespace computesdk::vendor

#include "match.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <functional>
#include <regex>

namespace computesdk::conformance {
namespace {

using Differences = std::vector<std::string>;

std::string decodeBase64(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int have = 0;
  for (char c : text) {
    if (c == '=') break;
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) throw Problem("no base64: " + std::string(text.substr(0, 40)));
    bits = bits << 6 | static_cast<unsigned>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have & 0xff);
  }
  return out;
}

/// The same bytes on every machine for a seed (splitmix64).
std::string randomBytes(std::uint64_t seed, std::size_t size) {
  std::string out;
  out.reserve(size + 8);
  while (out.size() < size) {
    std::uint64_t word = (seed += 0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    word ^= word >> 31;
    for (int i = 0; i < 64; i += 8) out += static_cast<char>(word >> i & 0xff);
  }
  out.resize(size);
  return out;
}

Differences differs(const std::string& path, const std::string& wanted, const Value& actual) {
  return {(path.empty() ? std::string("the answer") : path) + ": expected " + wanted + ", got " + shown(actual)};
}

Differences compareText(const std::string& path, const std::string& wanted, const Value& actual) {
  if (!actual.isString()) return differs(path, shown(wanted), actual);
  const std::string& got = actual.asString();
  if (got == wanted) return {};
  if (wanted.size() < 200 && got.size() < 200) return differs(path, shown(wanted), actual);
  const auto at = static_cast<std::size_t>(std::ranges::mismatch(wanted, got).in1 - wanted.begin());
  return {path + ": expected " + std::to_string(wanted.size()) + " bytes, got " + std::to_string(got.size()) +
          ", first difference at byte " + std::to_string(at) + ": " + shown(std::string_view(wanted).substr(at), 24) +
          " / " + shown(std::string_view(got).substr(std::min(at, got.size())), 24)};
}

std::string nameOf(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

/// Every element of `wanted` matches an element of its own.
Differences compareUnordered(const std::string& path, const Value::Array& wanted, const Value& actual) {
  if (!actual.isArray() || actual.asArray().size() != wanted.size())
    return differs(path, std::to_string(wanted.size()) + " elements", actual);
  Value::Array left = actual.asArray();
  for (const Value& each : wanted) {
    const auto found = std::ranges::find_if(left, [&](const Value& one) { return mismatches(each, one).empty(); });
    if (found == left.end()) return differs(path, "an element like " + shown(each), actual);
    left.erase(found);
  }
  return {};
}

std::size_t sizeOf(const Value& value) {
  if (value.isString()) return value.asString().size();
  if (value.isArray()) return value.asArray().size();
  return value.isObject() ? value.asObject().size() : 0;
}

Differences applyOperator(const std::string& name, const Value& argument, const Value& actual,
                          const std::string& path) {
  const auto text = [&] { return actual.isString() ? actual.asString() : std::string(); };
  const auto verdict = [&](bool good, const std::string& wanted) {
    return good ? Differences{} : differs(path, wanted, actual);
  };
  if (name == "$any") return verdict(!actual.isNull(), "anything");
  if (name == "$absent") return verdict(actual.isNull(), "nothing");
  if (name == "$contains")
    return verdict(text().find(bytesOf(argument)) != std::string::npos, "something with " + shown(argument));
  if (name == "$lacks") return verdict(text().find(bytesOf(argument)) == std::string::npos, "no " + shown(argument));
  if (name == "$matches") {
    return verdict(std::regex_search(text(), std::regex(argument.asString(), std::regex::ECMAScript)),
                   "something like /" + argument.asString() + "/");
  }
  if (name == "$min")
    return verdict(actual.isNumber() && actual.asNumber() >= argument.asNumber(), "at least " + shown(argument));
  if (name == "$max")
    return verdict(actual.isNumber() && actual.asNumber() <= argument.asNumber(), "at most " + shown(argument));
  if (name == "$size") {
    const Value size(static_cast<std::int64_t>(sizeOf(actual)));
    return mismatches(argument, size, nameOf(path, "size"));
  }
  if (name == "$not") return verdict(!mismatches(argument, actual).empty(), "anything but " + shown(argument));
  if (name == "$one_of") {
    return verdict(
        std::ranges::any_of(argument.asArray(), [&](const Value& one) { return mismatches(one, actual).empty(); }),
        "one of " + shown(argument));
  }
  if (name == "$has" || name == "$has_not") {
    const bool has = actual.isArray() && std::ranges::any_of(actual.asArray(), [&](const Value& one) {
                       return mismatches(argument, one).empty();
                     });
    return verdict(has == (name == "$has"),
                   (name == "$has" ? "an element like " : "no element like ") + shown(argument));
  }
  if (name == "$unordered") return compareUnordered(path, argument.asArray(), actual);
  throw Problem("nobody knows the operator " + name);
}

}  // namespace

bool isBytes(const Value& value) {
  static constexpr std::array<std::string_view, 6> kKeys = {"text", "base64", "random", "join", "times", "size"};
  if (!value.find("text") && !value.find("base64") && !value.find("random") && !value.find("join")) return false;
  return std::ranges::all_of(value.asObject(), [](const auto& member) {
    return std::ranges::find(kKeys, std::string_view(member.first)) != kKeys.end() && !member.second.isObject();
  });
}

std::string bytesOf(const Value& value) {
  if (value.isString()) return value.asString();
  if (value.isInt()) return std::to_string(value.asInt());
  onlyKeys(value, {"text", "times", "base64", "random", "size", "join"}, "content");
  if (const Value* seed = value.find("random"))
    return randomBytes(static_cast<std::uint64_t>(seed->asInt()), static_cast<std::size_t>(value.at("size").asInt()));
  std::string once;
  if (const Value* base64 = value.find("base64")) once = decodeBase64(base64->asString());
  if (const Value* text = value.find("text")) once = text->asString();
  if (const Value* parts = value.find("join")) {
    for (const Value& part : parts->asArray()) once += bytesOf(part);
  }
  std::string out;
  for (std::int64_t i = value.integer("times", 1); i > 0; --i) out += once;
  return out;
}

std::vector<std::string> mismatches(const Value& expected, const Value& actual, const std::string& path) {
  if (expected.isString()) return compareText(path, expected.asString(), actual);
  if (isBytes(expected)) return compareText(path, bytesOf(expected), actual);
  Differences all;
  const auto take = [&](Differences more) { all.insert(all.end(), more.begin(), more.end()); };
  if (expected.isObject()) {
    static const Value nothing;
    for (const auto& [key, value] : expected.asObject()) {
      if (key.starts_with('$')) {
        take(applyOperator(key, value, actual, path));
      } else {
        const Value* found = actual.find(key);
        take(mismatches(value, found != nullptr ? *found : nothing, nameOf(path, key)));
      }
    }
    return all;
  }
  if (expected.isArray()) {
    const auto& wanted = expected.asArray();
    if (!actual.isArray() || actual.asArray().size() != wanted.size()) return differs(path, shown(expected), actual);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      take(mismatches(wanted[i], actual.asArray()[i], path + "[" + std::to_string(i) + "]"));
    return all;
  }
  return expected == actual ? all : differs(path, shown(expected), actual);
}

std::string shown(std::string_view bytes, std::size_t most) {
  std::string out = "\"";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes.size() > most && i == most / 2) {
      out += "… (" + std::to_string(bytes.size()) + " bytes) …";
      i = bytes.size() - most / 2;
    }
    const char c = bytes[i];
    if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string shown(const Value& value) {
  if (value.isString()) return shown(value.asString());
  if (value.isNull()) return "nothing";
  const std::string text = value.print();
  return text.size() <= 400 ? text : text.substr(0, 400) + "…";
}

}  // namespace computesdk::conformance

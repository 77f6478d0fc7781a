// Frames as the product writes them, for seeds.
#pragma once

#include <protocol/wire.hpp>
#include <string>
#include <vector>

namespace computesdk::fuzz {

namespace wire = computesdk::local::protocol;

inline std::string frame(wire::FrameType type, const std::string& body, std::uint16_t flags = 0) {
  const wire::Header header{wire::kMagic, static_cast<std::uint16_t>(type), flags,
                            static_cast<std::uint32_t>(body.size())};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
}

template <typename Body>
std::string bodyOf(const Body& body) {
  return {reinterpret_cast<const char*>(&body), sizeof body};
}

inline std::string textOf(const std::string& text) {
  std::string bytes(text.size() + 8, '\0');
  wire::Writer writer(bytes.data(), bytes.size());
  writer.text(text.data(), text.size());
  bytes.resize(writer.size());
  return bytes;
}

inline std::string execBody(const std::vector<std::string>& words, const std::vector<std::string>& variables,
                            std::uint32_t flags = 0) {
  wire::ExecBody head{};
  head.flags = flags;
  head.columns = 80;
  head.rows = 24;
  head.arguments = static_cast<std::uint32_t>(words.size());
  head.variables = static_cast<std::uint32_t>(variables.size());
  std::string body = bodyOf(head) + textOf("/tmp");
  for (const std::string& word : words) body += textOf(word);
  for (const std::string& variable : variables) body += textOf(variable);
  return body;
}

}  // namespace computesdk::fuzz

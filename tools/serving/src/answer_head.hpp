#pragma once

#include <computesdk/serving/message.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace computesdk::serving {

/// How an answer goes out.
struct AnswerFraming {
  bool http10 = false;
  bool keepAlive = true;
  bool chunked = false;                 ///< else `length`, else until the connection ends
  std::optional<std::uint64_t> length;  ///< of the body; none for 1xx, 204 and 304
};

/// Status line, fields of `response` but those of the framing, Date, and the framing. Line breaks in values become
/// spaces.
std::string answerHead(const Response& response, const AnswerFraming& framing);
/// The fields as lines.
void appendFields(std::string& out, const Headers& headers);
/// Status line and the fields as they are.
std::string bareHead(const Response& response);

}  // namespace computesdk::serving

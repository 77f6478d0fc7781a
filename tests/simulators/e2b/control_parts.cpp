#include "control_parts.hpp"

namespace computesdk::simulators {

const Template* templateNamed(std::string_view text) {
  for (const Template& each : kTemplates) {
    if (text == each.id || text == each.alias) return &each;
  }
  return nullptr;
}

void respondUnknown(Exchange& exchange, const std::string& id) {
  respondError(exchange, 404, "sandbox \"" + id + "\" doesn't exist or you don't have access to it");
}

bool readObject(Exchange& exchange, rapidjson::Document& body) {
  const std::string& text = exchange.request.body;
  if (parseJson(text.empty() ? "{}" : text, body) && body.IsObject()) return true;
  respondError(exchange, 400, "request body has an error: failed to decode request body");
  return false;
}

bool readTimeout(Exchange& exchange, const rapidjson::Value& body, std::int64_t& timeout) {
  const rapidjson::Value* const value = member(&body, "timeout");
  timeout = numberOf(value, timeout);
  if (value != nullptr && (!value->IsInt64() || timeout < 0)) {
    respondError(exchange, 400, "request body has an error: Error at \"/timeout\": number must be at least 0");
  } else if (timeout > kLongestTimeout) {
    respondError(exchange, 400, "Timeout cannot be greater than 24 hours");
  } else {
    return true;
  }
  return false;
}

std::map<std::string, std::string> metadataFilter(std::string_view text) {
  std::map<std::string, std::string> wanted;
  const auto decoded = [](std::string_view part) {
    std::string once = percentDecoded(part);
    for (std::size_t i = 0; (i = once.find('+', i)) != std::string::npos; i += 3) once.replace(i, 1, "%2B");
    return percentDecoded(once);
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty())
      wanted[decoded(pair.substr(0, equals))] = decoded(pair.substr(std::min(equals + 1, pair.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wanted;
}

std::string queryOf(const Request& request, const std::string& name, const std::string& otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : found->second;
}

bool pageOf(Exchange& exchange, std::size_t count, std::size_t& begin, std::size_t& end, Headers& headers) {
  std::size_t limit = 100;
  const auto number = [](const std::string& text, std::size_t& into) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && stop == text.data() + text.size();
  };
  const std::string token = queryOf(exchange.request, "nextToken"), most = queryOf(exchange.request, "limit");
  begin = 0;
  const bool tokenFits = token.empty() || (token.starts_with("page-") && number(token.substr(5), begin));
  if (!tokenFits || (!most.empty() && (!number(most, limit) || limit < 1 || limit > 100))) {
    respondError(exchange, 400, tokenFits ? "Invalid limit" : "Invalid next token");
    return false;
  }
  begin = std::min(begin, count);
  end = std::min(begin + limit, count);
  if (end < count) headers.emplace_back("X-Next-Token", "page-" + std::to_string(end));
  return true;
}

}  // namespace computesdk::simulators

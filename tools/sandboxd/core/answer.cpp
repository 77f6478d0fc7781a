#include "core/answer.hpp"

#include "core/utf8.hpp"

namespace computesdk::sandboxd {

void JsonObject::name(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += serving::jsonString(name);
  text_ += ':';
}

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
  return raw(name, serving::jsonString(validUtf8(value)));
}

JsonObject& JsonObject::number(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }

JsonObject& JsonObject::boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  this->name(name);
  text_ += json;
  return *this;
}

JsonObject& JsonObject::textIfAny(std::string_view name, std::string_view value) {
  return value.empty() ? *this : text(name, value);
}

JsonObject& JsonObject::numberIfAny(std::string_view name, const std::optional<std::int64_t>& value) {
  return value ? number(name, *value) : *this;
}

JsonObject& JsonObject::booleanIfAny(std::string_view name, const std::optional<bool>& value) {
  return value ? boolean(name, *value) : *this;
}

std::string jsonArray(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += item;
  }
  return out += ']';
}

std::string jsonStrings(const std::vector<std::string>& items) {
  std::vector<std::string> quoted;
  quoted.reserve(items.size());
  for (const auto& item : items) quoted.push_back(serving::jsonString(item));
  return jsonArray(quoted);
}

serving::Response envelope(std::string_view message, std::string_view data, bool withStatus, int status) {
  JsonObject body;
  if (withStatus) body.text("status", "success");
  body.text("message", message).raw("data", data);
  return serving::Response::json(status, body.str());
}

serving::Response plain(std::string json, int status) { return serving::Response::json(status, std::move(json)); }

serving::Response failure(const ErrorInfo& info, int status) {
  JsonObject body;
  body.text("error", info.what).text("code", wireName(info.code));
  body.textIfAny("why", info.why).textIfAny("fix", info.fix);
  if (info.retryable) body.boolean("retryable", true);
  if (info.retryAfter.count() > 0) body.number("retry_after_ms", info.retryAfter.count());
  return serving::Response::json(status != 0 ? status : httpStatus(info.code), body.str());
}

namespace {

ErrorInfo errorOf(ErrorCode code, std::string what, std::string why, std::string fix) {
  ErrorInfo info;
  info.code = code;
  info.what = std::move(what);
  info.why = std::move(why);
  info.fix = std::move(fix);
  return info;
}

}  // namespace

ErrorInfo invalid(std::string what, std::string why, std::string fix) {
  return errorOf(ErrorCode::invalidArgument, std::move(what), std::move(why), std::move(fix));
}

ErrorInfo missing(std::string what, std::string fix) {
  return errorOf(ErrorCode::notFound, std::move(what), {}, std::move(fix));
}

ErrorInfo conflicting(std::string what, std::string fix) {
  return errorOf(ErrorCode::conflict, std::move(what), {}, std::move(fix));
}

}  // namespace computesdk::sandboxd

#include "manifest/schema.hpp"

#include "manifest/pattern.hpp"
#include "values/text.hpp"

#include <rapidjson/pointer.h>

#include <algorithm>

namespace computesdk::registry {
namespace {

using rapidjson::Value;

const Value* member(const Value& object, const char* key) {
  if (!object.IsObject()) return nullptr;
  auto found = object.FindMember(key);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

/// Why a schema cannot be used, or an empty string.
std::string unusable(const Value& schema) {
  if (schema.IsArray()) {
    for (const auto& item : schema.GetArray()) {
      if (auto why = unusable(item); !why.empty()) return why;
    }
  }
  if (!schema.IsObject()) return {};
  for (const auto& [name, value] : schema.GetObject()) {
    auto key = jsonView(name);
    if (key == "$ref" && value.IsString()) return "$ref is not supported: write the schema out";
    if (key == "pattern" && value.IsString()) {
      if (auto why = whyPatternUnusable(jsonView(value)); !why.empty()) return why;
    }
    if (key == "patternProperties" && value.IsObject()) {
      for (const auto& property : value.GetObject()) {
        if (auto why = whyPatternUnusable(jsonView(property.name)); !why.empty()) return why;
      }
    }
    if (auto why = unusable(value); !why.empty()) return why;
  }
  return {};
}

std::string dottedPath(const rapidjson::Pointer& pointer) {
  std::string out;
  for (std::size_t i = 0; i < pointer.GetTokenCount(); ++i) {
    const auto& token = pointer.GetTokens()[i];
    if (token.index != rapidjson::kPointerInvalidIndex) {
      out += "[" + std::string(token.name, token.length) + "]";
    } else {
      if (!out.empty()) out += ".";
      out += printable({token.name, token.length});
    }
  }
  return out;
}

std::string typeName(const Value& value) {
  if (value.IsNull()) return "null";
  if (value.IsBool()) return "a boolean";
  if (value.IsInt64() || value.IsUint64()) return "an integer";
  if (value.IsNumber()) return "a number";
  if (value.IsString()) return "a string";
  return value.IsArray() ? "an array" : "an object";
}

std::string expectedType(const Value& schema) {
  const Value* type = member(schema, "type");
  if (type == nullptr) return "of another type";
  auto one = [](const Value& name) -> std::string {
    std::string text = name.IsString() ? std::string(jsonView(name)) : "value";
    bool vowel = text == "integer" || text == "array" || text == "object";
    return (vowel ? "an " : "a ") + text;
  };
  if (!type->IsArray()) return one(*type);
  std::vector<std::string> names;
  for (const auto& name : type->GetArray()) names.push_back(one(name));
  return join(names, " or ");
}

std::string describe(const Value& schema, std::string fallback) {
  const Value* text = member(schema, "description");
  return text != nullptr && text->IsString() ? std::string(jsonView(*text)) : std::move(fallback);
}

std::vector<std::string> propertyNames(const Value& schema) {
  std::vector<std::string> names;
  if (const Value* properties = member(schema, "properties"); properties != nullptr && properties->IsObject()) {
    for (const auto& property : properties->GetObject()) names.emplace_back(jsonView(property.name));
  }
  return names;
}

std::string limitText(const Value& schema, const char* keyword) {
  const Value* limit = member(schema, keyword);
  return limit == nullptr ? std::string("?") : jsonText(*limit);
}

/// Words for one failed keyword of the node `schema`.
void explain(const Value& schema, std::string_view keyword, const Value* value, SchemaProblem& problem) {
  if (keyword == "type") {
    problem.problem = "must be " + expectedType(schema) + (value != nullptr ? ", not " + typeName(*value) : "");
  } else if (keyword == "enum") {
    std::vector<std::string> allowed;
    if (const Value* values = member(schema, "enum"); values != nullptr && values->IsArray()) {
      for (const auto& item : values->GetArray()) allowed.push_back(jsonText(item));
    }
    problem.problem = "must be " + describe(schema, join(allowed, " or "));
  } else if (keyword == "required") {
    std::vector<std::string> missing;
    const Value* required = member(schema, "required");
    if (required != nullptr && required->IsArray() && value != nullptr && value->IsObject()) {
      for (const auto& name : required->GetArray()) {
        if (name.IsString() && !value->HasMember(name)) missing.emplace_back(jsonView(name));
      }
    }
    problem.problem = "lacks " + joinAnd(missing);
    problem.fix = "add " + joinAnd(missing);
  } else if (keyword == "additionalProperties") {
    problem.problem = "is not known here";
    auto names = propertyNames(schema);
    auto dot = problem.key.rfind('.');
    auto near = didYouMean(dot == std::string::npos ? problem.key : problem.key.substr(dot + 1), names);
    if (!near.empty()) {
      problem.fix = "did you mean " + near + "?";
    } else if (!names.empty()) {
      problem.fix = "known are " + joinAnd(names);
    }
  } else if (keyword == "pattern") {
    problem.problem = "must be " + describe(schema, "of the form " + limitText(schema, "pattern"));
  } else if (keyword == "minLength" || keyword == "maxLength") {
    problem.problem = std::string(keyword == "minLength" ? "is shorter than " : "is longer than ") +
                      limitText(schema, std::string(keyword).c_str()) + " characters";
  } else if (keyword == "minimum" || keyword == "maximum") {
    problem.problem = std::string(keyword == "minimum" ? "must be at least " : "must be at most ") +
                      limitText(schema, std::string(keyword).c_str());
  } else if (keyword == "minItems" || keyword == "maxItems") {
    problem.problem = std::string(keyword == "minItems" ? "must have at least " : "must have at most ") +
                      limitText(schema, std::string(keyword).c_str()) + " entries";
  } else if (keyword == "anyOf" || keyword == "oneOf" || keyword == "allOf" || keyword == "not") {
    problem.problem = "must be " + describe(schema, "of another form (" + std::string(keyword) + ")");
  } else {
    problem.problem =
        "does not meet \"" + std::string(keyword) + "\" (" + limitText(schema, std::string(keyword).c_str()) + ")";
  }
}

void collectUnknown(const Value& schema, const Value& value, const std::string& path, std::vector<std::string>& out) {
  if (value.IsArray()) {
    const Value* items = member(schema, "items");
    if (items == nullptr) return;
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      collectUnknown(*items, value[i], path + "[" + std::to_string(i) + "]", out);
    }
    return;
  }
  const Value* properties = member(schema, "properties");
  if (!value.IsObject() || properties == nullptr) return;
  for (const auto& entry : value.GetObject()) {
    auto name = jsonView(entry.name);
    auto full = path.empty() ? printable(name) : path + "." + printable(name);
    auto found = properties->FindMember(entry.name);
    if (found == properties->MemberEnd()) {
      if (!name.starts_with("x-")) out.push_back(full);
    } else if (entry.value.IsArray() || entry.value.IsObject()) {
      collectUnknown(found->value, entry.value, full, out);
    }
  }
}

}  // namespace

Result<Schema> Schema::compile(const rapidjson::Value& schema) {
  if (auto why = unusable(schema); !why.empty()) {
    ErrorInfo error;
    error.code = ErrorCode::invalidArgument;
    error.what = "cannot use a JSON schema";
    error.why = why;
    return error;
  }
  Schema result;
  result.document_ = std::make_unique<rapidjson::Document>();
  result.document_->CopyFrom(schema, result.document_->GetAllocator());
  result.compiled_ = std::make_unique<rapidjson::SchemaDocument>(*result.document_);
  return result;
}

Schema Schema::ofOurs(const char* text) {
  Schema result;
  result.document_ = std::make_unique<rapidjson::Document>();
  result.document_->Parse<rapidjson::kParseIterativeFlag>(text);
  result.compiled_ = std::make_unique<rapidjson::SchemaDocument>(*result.document_);
  return result;
}

std::optional<SchemaProblem> Schema::check(const rapidjson::Value& value) const {
  // Deciding is quick; finding the words is only for what failed.
  rapidjson::SchemaValidator validator(*compiled_);
  {
    const std::lock_guard lock(*searching_);
    if (value.Accept(validator)) return std::nullopt;
  }
  SchemaProblem problem;
  problem.key = dottedPath(validator.GetInvalidDocumentPointer());
  const Value* node = validator.GetInvalidSchemaPointer().Get(*document_);
  const Value* at = validator.GetInvalidDocumentPointer().Get(value);
  const char* keyword = validator.GetInvalidSchemaKeyword();
  explain(node != nullptr ? *node : *document_, keyword != nullptr ? keyword : "schema", at, problem);
  return problem;
}

std::vector<std::string> Schema::unknownKeys(const rapidjson::Value& value) const {
  std::vector<std::string> out;
  collectUnknown(*document_, value, "", out);
  return out;
}

}  // namespace computesdk::registry

#include "value.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>

namespace computesdk::conformance {
namespace {

constexpr std::size_t kMaxDepth = 64;

/// Builds a Value out of the parser's events.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  Value result;
  std::string complaint;

  bool Null() { return put(Value()); }
  bool Bool(bool value) { return put(value); }
  bool Int(int value) { return put(value); }
  bool Uint(unsigned value) { return put(static_cast<std::int64_t>(value)); }
  bool Int64(std::int64_t value) { return put(value); }
  bool Uint64(std::uint64_t value) {
    if (value > std::numeric_limits<std::int64_t>::max()) return refuse("a number is too large");
    return put(static_cast<std::int64_t>(value));
  }
  bool Double(double value) { return put(value); }
  bool String(const char* text, rapidjson::SizeType size, bool) { return put(std::string(text, size)); }
  bool StartObject() { return open(Value(Value::Object{})); }
  bool StartArray() { return open(Value(Value::Array{})); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    keys_.back().assign(text, size);
    return open_.back().find(keys_.back()) == nullptr || refuse("the key \"" + keys_.back() + "\" stands there twice");
  }

 private:
  bool refuse(std::string why) {
    complaint = std::move(why);
    return false;
  }
  bool put(Value value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().isArray()) {
      open_.back().add(std::move(value));
    } else {
      open_.back().set(keys_.back(), std::move(value));
    }
    return true;
  }
  bool open(Value value) {
    if (open_.size() == kMaxDepth) return refuse("it is nested too deep");
    open_.push_back(std::move(value));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }

  std::vector<Value> open_;
  std::vector<std::string> keys_;
};

/// The length of the UTF-8 character at the front; 0 when there is none.
std::size_t characterAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return size;
}

std::string printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t size = characterAt(bytes);
    out += size == 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(0, size);
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

template <typename Writer>
void write(Writer& writer, const Value& value) {
  if (value.isNull()) {
    writer.Null();
  } else if (value.isBool()) {
    writer.Bool(value.asBool());
  } else if (value.isInt()) {
    writer.Int64(value.asInt());
  } else if (value.isNumber()) {
    writer.Double(value.asNumber());
  } else if (value.isString()) {
    const std::string text = printable(value.asString());
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  } else if (value.isArray()) {
    writer.StartArray();
    for (const Value& each : value.asArray()) write(writer, each);
    writer.EndArray();
  } else {
    writer.StartObject();
    for (const auto& [key, each] : value.asObject()) {
      writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
      write(writer, each);
    }
    writer.EndObject();
  }
}

template <typename T, typename Data>
const T& as(const Data& data, const char* kind, const Value& self) {
  if (const T* value = std::get_if<T>(&data)) return *value;
  throw Problem(self.print().substr(0, 80) + " is not " + kind);
}

}  // namespace

Value Value::parse(std::string_view text, const std::string& where) {
  Builder builder;
  rapidjson::Reader reader;
  const std::string whole(text);
  rapidjson::StringStream stream(whole.c_str());
  if (const auto done =
          reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(stream, builder);
      done.IsError()) {
    const auto line = 1 + std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(done.Offset()), '\n');
    throw Problem(where + ":" + std::to_string(line) + ": " +
                  (builder.complaint.empty() ? rapidjson::GetParseError_En(done.Code()) : builder.complaint));
  }
  return std::move(builder.result);
}

Value Value::readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Problem(path + ": cannot be read");
  return parse(std::string(std::istreambuf_iterator<char>(file), {}), path);
}

std::string Value::print(int indent) const {
  rapidjson::StringBuffer out;
  if (indent == 0) {
    rapidjson::Writer writer(out);
    write(writer, *this);
  } else {
    rapidjson::PrettyWriter writer(out);
    writer.SetIndent(' ', static_cast<unsigned>(indent));
    write(writer, *this);
  }
  return {out.GetString(), out.GetSize()};
}

bool Value::asBool() const { return as<bool>(data_, "true or false", *this); }
std::int64_t Value::asInt() const { return as<std::int64_t>(data_, "a whole number", *this); }
double Value::asNumber() const { return isInt() ? static_cast<double>(asInt()) : as<double>(data_, "a number", *this); }
const std::string& Value::asString() const { return as<std::string>(data_, "a text", *this); }
const Value::Array& Value::asArray() const { return as<Array>(data_, "a list", *this); }
const Value::Object& Value::asObject() const { return as<Object>(data_, "an object", *this); }

const Value* Value::find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&data_);
  if (object == nullptr) return nullptr;
  const auto found = std::ranges::find(*object, key, &std::pair<std::string, Value>::first);
  return found == object->end() ? nullptr : &found->second;
}

const Value& Value::at(std::string_view key) const {
  if (const Value* found = find(key)) return *found;
  throw Problem("\"" + std::string(key) + "\" is missing in " + print().substr(0, 120));
}

std::string Value::text(std::string_view key, std::string_view otherwise) const {
  const Value* found = find(key);
  return found != nullptr ? found->asString() : std::string(otherwise);
}

std::int64_t Value::integer(std::string_view key, std::int64_t otherwise) const {
  const Value* found = find(key);
  return found != nullptr ? found->asInt() : otherwise;
}

bool Value::flag(std::string_view key, bool otherwise) const {
  const Value* found = find(key);
  return found != nullptr ? found->asBool() : otherwise;
}

Value& Value::set(std::string_view key, Value value) {
  if (isNull()) data_ = Object{};
  Object& object = std::get<Object>(data_);
  const auto found = std::ranges::find(object, key, &std::pair<std::string, Value>::first);
  if (found != object.end()) {
    found->second = std::move(value);
  } else {
    object.emplace_back(std::string(key), std::move(value));
  }
  return *this;
}

Value& Value::add(Value value) {
  if (isNull()) data_ = Array{};
  std::get<Array>(data_).push_back(std::move(value));
  return *this;
}

void onlyKeys(const Value& object, std::initializer_list<std::string_view> known, const std::string& where) {
  for (const auto& member : object.asObject()) {
    if (std::ranges::find(known, std::string_view(member.first)) == known.end())
      throw Problem(where + ": nobody knows \"" + member.first + "\"");
  }
}

}  // namespace computesdk::conformance

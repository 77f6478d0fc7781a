#pragma once

#include "values/json.hpp"

#include <rapidjson/schema.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON schemas (draft 4), with messages that a person can act on.
namespace computesdk::registry {

/// Text of registry/schema/provider.schema.json.
extern const char* const kManifestSchemaText;

/// The first thing that does not fit: `key` is a dotted path ("config[0].key"; empty for the whole), `problem` goes
/// after it ("must be …, not …"), `fix` says what to write.
struct SchemaProblem {
  std::string key;
  std::string problem;
  std::string fix;
};

/// A schema made ready to check values. Check from any thread.
class Schema {
 public:
  /// Errors: E_INVALID_ARGUMENT whose `why` says what cannot be used: `$ref`, and patterns that could cost much to
  /// match (schemas of plug-ins are not ours). `schema` is copied.
  static Result<Schema> compile(const rapidjson::Value& schema);
  /// For a schema of our own, `text`: none of that is asked, which is most of the time that a start of the command line
  /// tool would spend on manifests.
  static Schema ofOurs(const char* text);

  /// The first problem of `value`, or nothing.
  [[nodiscard]] std::optional<SchemaProblem> check(const rapidjson::Value& value) const;

  /// Dotted paths of the keys in `value` that the schema does not know; keys that begin with "x-" are anybody's.
  [[nodiscard]] std::vector<std::string> unknownKeys(const rapidjson::Value& value) const;

 private:
  Schema() = default;

  std::unique_ptr<rapidjson::Document> document_;
  std::unique_ptr<rapidjson::SchemaDocument> compiled_;
  /// Held while checking: RapidJSON keeps the state of a pattern's search in the compiled schema itself.
  std::unique_ptr<std::mutex> searching_ = std::make_unique<std::mutex>();
};

}  // namespace computesdk::registry

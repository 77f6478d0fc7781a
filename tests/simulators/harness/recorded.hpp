#pragma once

#include "client.hpp"

#include <rapidjson/document.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// Exchanges that were recorded from vendors' own clients, sent again: does a simulator answer as the service did?
namespace computesdk::simulators {

/// A recording that was sent again. `then` is the answer's body as it was recorded, with the ids of today in it.
struct Replayed {
  std::string problem;  ///< how status or headers differ, or why nothing was sent; empty: they do not
  Answer now;
  rapidjson::Document then;
  bool inEnvelopes = false;  ///< the recording says that its body is Connect's
  /// The recorded body's bytes: a text as it is, packed bytes unpacked, anything else as JSON text.
  [[nodiscard]] std::string bytesThen() const;
};

/// The recordings of one vendor, in files FOLDER/NAME.json: {"request": {…}, "response": {…}}. Not thread-safe.
class Recordings {
 public:
  /// Whether a member differs from one run to the next, so that only its type is compared.
  using Volatile =
      std::function<bool(const rapidjson::Value& object, const std::string& name, const rapidjson::Value& value)>;

  /// `ownHeaders`: of answers, not compared, beside the length.
  Recordings(std::string folder, Volatile isVolatile, std::set<std::string> ownHeaders = {})
      : folder_(std::move(folder)), volatile_(std::move(isVolatile)), ownHeaders_(std::move(ownHeaders)) {}

  /// Sends a recorded request again and compares status and headers of the answer. What learn() was told counts.
  Replayed replay(Client& client, const std::string& name) const;
  /// Says where two values differ in shape or content; empty when they do not.
  [[nodiscard]] std::string difference(const rapidjson::Value& then, const rapidjson::Value& now,
                                       const std::string& at = "body") const;
  /// What was made now takes the place of what was made then, in all that is sent from here on.
  void learn(const std::string& then, const std::string& now);
  /// Both names of each, in the order of learn().
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& learned() const noexcept { return names_; }

 private:
  std::string folder_;
  Volatile volatile_;
  std::set<std::string> ownHeaders_;
  std::vector<std::pair<std::string, std::string>> names_;
};

}  // namespace computesdk::simulators

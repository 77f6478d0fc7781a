#pragma once

#include <computesdk/result.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

// The file .env: KEY=VALUE lines, as the npm package dotenv reads them.
namespace computesdk::cli {

struct DotEnvValue {
  std::string value;
  int line = 0;
};
using DotEnv = std::map<std::string, DotEnvValue, std::less<>>;

/// Comments, "export ", single, double and back quotes, values over several lines within quotes, \n and \r within
/// double quotes. Nothing is expanded. Of a name that stands twice the last one counts. Lines that are none of these
/// are skipped. Pure.
DotEnv parseDotEnv(std::string_view text);

/// A small text file of the user's working directory: nothing when there is none. One that belongs to somebody else, or
/// that others may write, is not read: `warning` says so then. Errors: E_CONFIG when it cannot be read or is longer
/// than 1 MiB.
Result<std::optional<std::string>> readOwnFile(const std::string& path, std::string& warning);

}  // namespace computesdk::cli

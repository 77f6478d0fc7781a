#pragma once

#include <rapidjson/document.h>

#include <computesdk/result.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

/// One write or deletion of a batch. `content` belongs to the parsed body, which must outlive it.
struct FileOperation {
  std::string asked;
  std::string absolute;
  bool remove = false;
  std::string_view content;
};

/// Reads `{files: [{path, operation, content?}]}`. Of several operations for one path the last is kept, and they are
/// sorted by the bytes of the path. E_INVALID_ARGUMENT names what is wrong; nothing has been touched then.
Result<std::vector<FileOperation>> batchOf(const std::string& directory, const rapidjson::Value& body);

/// What became of a batch.
struct BatchOutcome {
  std::string results;  ///< JSON array of {path, success, error?, file?}
  bool allDone = true;
};
/// Does one after the other; one that fails keeps none of the others from happening. Blocks.
BatchOutcome runBatch(const std::vector<FileOperation>& operations);

}  // namespace computesdk::sandboxd

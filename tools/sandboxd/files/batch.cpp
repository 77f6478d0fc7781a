#include "files/batch.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/answer.hpp"
#include "files/atomic_file.hpp"
#include "files/file_info.hpp"
#include "files/path_locks.hpp"
#include "files/paths.hpp"
#include "files/remove_tree.hpp"

namespace computesdk::sandboxd {
namespace {

Result<FileOperation> operationOf(const std::string& directory, const rapidjson::Value& item, std::size_t index) {
  const std::string where = "files[" + std::to_string(index) + "]";
  if (!item.IsObject()) return invalid(where + " must be an object");
  const auto within = [&](ErrorInfo info) {
    info.what = where + ": " + info.what;
    return info;
  };
  const Result<std::string> path = requiredText(item, "path");
  if (!path) return within(path.error());
  const Result<AskedPath> asked = askedPath(directory, *path);
  if (!asked) return within(asked.error());
  const Result<std::string> kind = requiredText(item, "operation");
  if (!kind) return within(kind.error());
  if (*kind != "write" && *kind != "delete") return within(invalid("operation must be \"write\" or \"delete\""));
  FileOperation operation{asked->asked, asked->absolute, *kind == "delete", {}};
  const rapidjson::Value* content = fieldOf(item, "content");
  if (content != nullptr && !content->IsNull() && !content->IsString()) {
    return within(invalid("content must be a string"));
  }
  if (content != nullptr && content->IsString()) operation.content = viewOf(*content);
  return operation;
}

Result<std::string> perform(const FileOperation& operation) {
  const auto lock = lockPath(operation.absolute);
  if (operation.remove) {
    if (auto removed = removeTree(operation.absolute); !removed) return removed.error();
    return std::string();
  }
  if (auto written = writeFile(operation.absolute, operation.content); !written) return written.error();
  return fileInfo({operation.asked, operation.absolute});
}

}  // namespace

Result<std::vector<FileOperation>> batchOf(const std::string& directory, const rapidjson::Value& body) {
  const rapidjson::Value* files = fieldOf(body, "files");
  if (files == nullptr || !files->IsArray()) return invalid("files must be an array");
  std::map<std::string, FileOperation> last;
  for (rapidjson::SizeType i = 0; i < files->Size(); ++i) {
    Result<FileOperation> operation = operationOf(directory, (*files)[i], i);
    if (!operation) return operation.error();
    last.insert_or_assign(normalPath(operation->absolute), std::move(*operation));
  }
  std::vector<FileOperation> operations;
  for (auto& [path, operation] : last) operations.push_back(std::move(operation));
  std::sort(operations.begin(), operations.end(),
            [](const FileOperation& a, const FileOperation& b) { return a.asked < b.asked; });
  return operations;
}

BatchOutcome runBatch(const std::vector<FileOperation>& operations) {
  BatchOutcome outcome;
  std::vector<std::string> results;
  for (const FileOperation& operation : operations) {
    const Result<std::string> file = perform(operation);
    JsonObject result;
    result.text("path", operation.asked).boolean("success", file.has_value());
    if (!file) {
      outcome.allDone = false;
      result.text("error", file.error().what);
    } else if (!file->empty()) {
      result.raw("file", *file);
    }
    results.push_back(result.str());
  }
  outcome.results = jsonArray(results);
  return outcome;
}

}  // namespace computesdk::sandboxd

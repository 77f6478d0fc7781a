#include <computesdk/sandbox.hpp>
#include <computesdk/text_files.hpp>

#include "core/errors.hpp"
#include "daemon/event_channel.hpp"

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

TextFileInfo fileFrom(const JsonView& json) {
  TextFileInfo info;
  info.name = json.textOr("name");
  info.path = json.textOr("path");
  info.size = json["size"].integerOr(0);
  info.isDirectory = json["is_dir"].booleanOr(false);
  info.modifiedAt = json["modified_at"].time();
  return info;
}

/// "/files/" and the whole path in one segment, so that an absolute one stays absolute.
std::string filePath(std::string_view path) { return detail::below("/files/", path); }

std::string_view operationName(FileOperation::Kind kind) {
  return kind == FileOperation::Kind::write ? "write" : "delete";
}

Result<void> checkPath(const std::string& what, std::string_view path) {
  if (path.empty()) return detail::invalidArgument(what, "the path is empty", "name a file");
  return {};
}

}  // namespace

Result<TextFileInfo> TextFiles::create(Nothrow, std::string_view path, std::string_view content, std::stop_token stop) {
  JsonText text;
  text.beginObject().member("path", path).member("content", content).endObject();
  const DaemonCall call{.what = "cannot write " + std::string(path),
                        .method = "POST",
                        .target = "/files",
                        .body = text.take(),
                        .stop = std::move(stop)};
  return askFor<TextFileInfo>(*sandbox_, call, [](const JsonView& json) { return fileFrom(json["file"]); });
}

Result<std::vector<TextFileInfo>> TextFiles::list(Nothrow, std::string_view path, std::stop_token stop) {
  const DaemonCall call{.what = "cannot list " + std::string(path),
                        .target = detail::below("/files?path=", path),
                        .stop = std::move(stop)};
  return askFor<std::vector<TextFileInfo>>(*sandbox_, call, [](const JsonView& json) {
    std::vector<TextFileInfo> all;
    json["files"].eachItem([&](const JsonView& one) { all.push_back(fileFrom(one)); });
    return all;
  });
}

Result<std::string> TextFiles::retrieve(Nothrow, std::string_view path, std::stop_token stop) {
  const DaemonCall call{
      .what = "cannot read " + std::string(path), .target = filePath(path) + "?content=true", .stop = std::move(stop)};
  if (auto checked = checkPath(call.what, path); !checked) return std::move(checked).error();
  return askFor<std::string>(*sandbox_, call, [](const JsonView& json) { return json.textOr("content"); });
}

Result<void> TextFiles::destroy(Nothrow, std::string_view path, std::stop_token stop) {
  const DaemonCall call{.what = "cannot remove " + std::string(path),
                        .method = "DELETE",
                        .target = filePath(path),
                        .stop = std::move(stop)};
  if (auto checked = checkPath(call.what, path); !checked) return checked;
  return detail::tell(*sandbox_, call);
}

Result<bool> TextFiles::exists(Nothrow, std::string_view path, std::stop_token stop) {
  const DaemonCall call{.what = "cannot look for " + std::string(path),
                        .method = "HEAD",
                        .target = filePath(path),
                        .stop = std::move(stop)};
  if (auto checked = checkPath(call.what, path); !checked) return std::move(checked).error();
  auto answer = sandbox_->daemon().send(call);
  if (!answer) return std::move(answer).error();
  if (answer->status == 404) return false;
  if (answer->status >= 200 && answer->status < 300) return true;
  return detail::daemonFailure(*sandbox_, call.what, *answer);
}

Result<std::vector<FileOperationResult>> TextFiles::batchWrite(Nothrow, const std::vector<FileOperation>& operations,
                                                               std::stop_token stop) {
  JsonText text;
  text.beginObject().key("files").beginArray();
  for (const FileOperation& one : operations) {
    text.beginObject().member("path", one.path).member("operation", operationName(one.kind));
    if (one.kind == FileOperation::Kind::write) text.member("content", one.content);
    text.endObject();
  }
  text.endArray().endObject();
  DaemonCall call{.what = "cannot write files", .method = "POST", .target = "/files/batch", .body = text.take()};
  call.timeout = std::chrono::minutes(5);
  call.stop = std::move(stop);
  return askFor<std::vector<FileOperationResult>>(*sandbox_, call, [](const JsonView& json) {
    std::vector<FileOperationResult> all;
    json["results"].eachItem([&](const JsonView& one) {
      FileOperationResult& result = all.emplace_back();
      result.path = one.textOr("path");
      result.success = one["success"].booleanOr(false);
      result.error = one.textOr("error");
      if (one["file"].isObject()) result.file = fileFrom(one["file"]);
    });
    return all;
  });
}

TextFiles Sandbox::file() const { return TextFiles(state_); }

}  // namespace computesdk

#include "core/failure.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/terminal.hpp"
#include "core/units.hpp"

namespace computesdk::cli {

std::string styledError(const ErrorInfo& error) {
  std::string text = formatError(error);
  if (!terminal().colorErr) return text;
  static constexpr std::string_view kHead = "error:";
  std::string out;
  std::string_view rest = text;
  if (rest.starts_with(kHead)) {
    out = styledErr(kHead, Style::red);
    rest.remove_prefix(kHead.size());
  }
  auto lineEnd = rest.find('\n');
  out += styledErr(rest.substr(0, lineEnd), Style::bold);
  if (lineEnd == std::string_view::npos) return out;
  rest.remove_prefix(lineEnd);
  auto code = rest.rfind("\n  code:");
  out += rest.substr(0, code);
  if (code != std::string_view::npos) out += "\n" + styledErr(rest.substr(code + 1), Style::dim);
  return out;
}

std::string errorJson(const ErrorInfo& error) {
  JsonWriter json;
  json.beginObject().key("error").beginObject();
  writeError(json, error);
  json.endObject().endObject();
  return json.str();
}

int fail(const ErrorInfo& error, bool json) {
  if (interrupted() != 0 && error.code == ErrorCode::cancelled) return 128 + interrupted();
  if (json) {
    print(errorJson(error) + "\n");
  } else {
    printErr(styledError(error) + "\n");
  }
  return exitCode(error.code);
}

int failPredicate(const ErrorInfo& error, bool json) {
  int code = fail(error, json);
  return code == 1 ? 2 : code;
}

ErrorInfo withLook(ErrorInfo error, const std::string& sandbox, const std::string& path) {
  if (error.code != ErrorCode::fileNotFound || !error.fix.empty()) return error;
  auto end = path.find_last_not_of('/');
  std::string folder = std::filesystem::path(path.substr(0, end + 1)).parent_path();
  error.fix = "see what is there: computesdk fs ls " + sandbox + " " + (folder.empty() ? "." : printable(folder));
  return error;
}

ErrorInfo usageFailure(std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

ErrorInfo fileFailure(const std::string& verb, const std::string& path, int number) {
  ErrorInfo error;
  error.code = number == ENOENT || number == ENOTDIR  ? ErrorCode::fileNotFound
               : number == EACCES || number == EPERM  ? ErrorCode::permission
               : number == ENOSPC || number == EDQUOT ? ErrorCode::diskFull
                                                      : ErrorCode::invalidArgument;
  error.what = "cannot " + verb + " " + printable(path);
  error.why = std::strerror(number);
  error.fix = "check the path and its permissions on this machine";
  return error;
}

ErrorInfo stdoutFailure(int number) {
  ErrorInfo error = fileFailure("write to", "stdout", number);
  error.fix = "make room, or write somewhere else";
  return error;
}

}  // namespace computesdk::cli

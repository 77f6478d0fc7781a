#pragma once

#include <computesdk/error.hpp>

#include <string>

// How a failure is told, and with which exit code.
namespace computesdk::cli {

/// Exit code of run, exec, code, shell and attach when we, not the command, failed.
inline constexpr int kOurFailure = 125;

/// formatError with colours when stderr takes them.
std::string styledError(const ErrorInfo& error);
/// {"error": {…}}, one line.
std::string errorJson(const ErrorInfo& error);

/// Tells the failure: JSON on stdout, or the five parts on stderr. Returns the exit code of its kind.
int fail(const ErrorInfo& error, bool json);
/// The same for a verb whose answer is an exit code: 0 yes, 1 no, so a failure is never 1.
int failPredicate(const ErrorInfo& error, bool json);

/// Of a file that is not there in a sandbox the remedy: a look into its folder.
ErrorInfo withLook(ErrorInfo error, const std::string& sandbox, const std::string& path);

ErrorInfo usageFailure(std::string what, std::string why, std::string fix);
/// "cannot open FILE: No such file or directory", by errno.
ErrorInfo fileFailure(const std::string& verb, const std::string& path, int number);
/// "cannot write to stdout: No space left on device", by errno.
ErrorInfo stdoutFailure(int number);

}  // namespace computesdk::cli

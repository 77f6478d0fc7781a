#include <computesdk/error.hpp>

#include "values/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace computesdk {
namespace {

struct CodeRow {
  std::string_view name;
  std::string_view wire;
  int http;
  int exit;
};

constexpr std::array kRows = {
#define CSDK_ERROR_CODE(name, text, wire, http, exit, abi) CodeRow{text, wire, http, exit},
#include <computesdk/error_codes.inc>
#undef CSDK_ERROR_CODE
};

const CodeRow& row(ErrorCode code) noexcept {
  auto index = static_cast<std::size_t>(code);
  return kRows[index < kRows.size() ? index : 0];
}

bool equalNoCase(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(a[i])) != std::toupper(static_cast<unsigned char>(b[i]))) return false;
  }
  return true;
}

/// Vendors' words and ids of any form end up here: what a terminal would act on is shown as \xNN. Lines stay.
std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0;;) {
    const auto end = std::min(text.find_first_of("\n\t", begin), text.size());
    out += registry::printable(text.substr(begin, end - begin), std::string_view::npos);
    if (end == text.size()) return out;
    out += text[end];
    begin = end + 1;
  }
}

std::string onOneLine(std::string_view text) { return registry::printable(text, std::string_view::npos); }

/// Adds `text` below a label; its further lines are indented like the first.
void appendPart(std::string& out, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  out += "\n  ";
  out += label;
  for (char c : harmless(text)) {
    out += c;
    if (c == '\n') out += "        ";
  }
}

}  // namespace

std::string_view codeName(ErrorCode code) noexcept { return row(code).name; }
std::string_view wireName(ErrorCode code) noexcept { return row(code).wire; }
int httpStatus(ErrorCode code) noexcept { return row(code).http; }
int exitCode(ErrorCode code) noexcept { return row(code).exit; }

std::optional<ErrorCode> codeFromName(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (equalNoCase(kRows[i].name, name)) return static_cast<ErrorCode>(i);
  }
  return std::nullopt;
}

const std::vector<ErrorCode>& allErrorCodes() {
  static const std::vector<ErrorCode> codes = [] {
    std::vector<ErrorCode> all;
    for (std::size_t i = 0; i < kRows.size(); ++i) all.push_back(static_cast<ErrorCode>(i));
    return all;
  }();
  return codes;
}

std::string ErrorInfo::firstLine() const {
  if (what.empty()) return harmless(why);
  std::string_view cause = why;
  cause = cause.substr(0, cause.find('\n'));
  // The promised texts are sentences of their own ("Provider 'x' does not support y."); a cause after a full stop
  // would read as part of the next one.
  if (cause.empty() || what.back() == '.' || what.find('\n') != std::string::npos) return harmless(what);
  return harmless(what + ": " + std::string(cause));
}

std::string formatError(const ErrorInfo& info) {
  std::string out = "error: " + info.firstLine();
  bool whyShown = !info.what.empty() && out.size() > harmless(info.what).size() + 7;
  std::string_view why = info.what.empty() ? std::string_view{} : std::string_view{info.why};
  if (whyShown) {
    // The first line of the cause is in the headline; what follows it keeps its own indentation.
    auto lineEnd = why.find('\n');
    if (lineEnd != std::string_view::npos) {
      std::string_view rest = why.substr(lineEnd + 1);
      out += "\n  ";
      for (char c : harmless(rest)) {
        out += c;
        if (c == '\n') out += "  ";
      }
    }
  } else {
    appendPart(out, "why:  ", why);
  }
  if (!info.vendorText.empty() && info.why.find(info.vendorText) == std::string::npos) {
    appendPart(out, "said: ", info.vendorText);
  }
  appendPart(out, "fix:  ", info.fix);
  out += "\n  code: ";
  out += codeName(info.code);
  if (!info.provider.empty()) out += "   provider " + onOneLine(info.provider);
  if (!info.sandboxId.empty()) out += "   sandbox " + onOneLine(info.sandboxId);
  if (!info.requestId.empty()) out += "   request " + onOneLine(info.requestId);
  if (info.retryAfter.count() > 0) out += "   retry after " + std::to_string(info.retryAfter.count()) + " ms";
  out += "   docs: computesdk help ";
  out += codeName(info.code);
  return out;
}

void throwError(ErrorInfo info) {
  switch (info.code) {
    case ErrorCode::authMissing:
    case ErrorCode::authFormat:
    case ErrorCode::authRejected:
    case ErrorCode::forbidden: throw AuthError(std::move(info));
    case ErrorCode::notFound:
    case ErrorCode::fileNotFound:
    case ErrorCode::sandboxGone: throw NotFoundError(std::move(info));
    case ErrorCode::unsupported: throw UnsupportedError(std::move(info));
    case ErrorCode::timeout: throw TimeoutError(std::move(info));
    case ErrorCode::rateLimited:
    case ErrorCode::quota: throw RateLimitError(std::move(info));
    case ErrorCode::unavailable:
    case ErrorCode::network:
    case ErrorCode::tls:
    case ErrorCode::protocol: throw ProviderError(std::move(info));
    case ErrorCode::manifest:
    case ErrorCode::pluginLoad:
    case ErrorCode::pluginUntrusted:
    case ErrorCode::pluginMisbehaved:
    case ErrorCode::pluginDied: throw PluginError(std::move(info));
    default: throw Error(std::move(info));
  }
}

}  // namespace computesdk

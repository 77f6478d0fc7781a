#include "blaxel/stream.hpp"

#include "common/streams.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::blaxel {
namespace {

using vendor::Failure;
using vendor::Json;
using vendor::JsonDocument;

constexpr std::string_view kResultBegin = R"({"type":"result",)";
constexpr std::size_t kLongResult = std::size_t{64} << 10;
constexpr std::size_t kScanBack = 256;
constexpr std::size_t kPlainMax = std::size_t{64} << 20;

plugin::Error protocol(const std::string& what) {
  plugin::Error error(CSDK_UNAVAILABLE, what);
  return error.errorClass(CSDK_ERROR_PROTOCOL).maybeApplied();
}

Outcome outcomeOf(Json view) {
  Outcome outcome;
  outcome.status = view.textOr("status");
  outcome.exitCode = view.integer("exitCode");
  return outcome;
}

/// What follows `key` up to one of `ends`; empty when it is not whole.
std::string valueAfter(std::string_view text, std::string_view key, std::string_view ends) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + key.size());
  const std::size_t end = rest.find_first_of(ends);
  return end == std::string_view::npos ? std::string() : std::string(rest.substr(0, end));
}

}  // namespace

void ResultLines::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (scanning_) {
      scan(piece);
    } else {
      buffer_ += piece;
      if (buffer_.size() > kLongResult && buffer_.starts_with(kResultBegin)) {
        scanning_ = true;
        scan({});
      } else if (buffer_.size() > vendor::kPieceMax) {
        throw protocol("the sandbox sent a line of more than " + std::to_string(vendor::kPieceMax >> 20) + " MiB");
      }
    }
    if (end != std::string_view::npos) finish();
  }
}

void ResultLines::finish() {
  if (scanning_) {
    scanning_ = false;
    Outcome outcome;
    outcome.status = status_;
    const auto [end, failed] = std::from_chars(code_.data(), code_.data() + code_.size(), outcome.exitCode);
    if (failed != std::errc() || end != code_.data() + code_.size()) {
      throw protocol("the sandbox's result of a command says no exit code");
    }
    outcome_ = outcome;
  } else if (!buffer_.empty()) {
    take(buffer_);
  }
  buffer_.clear();
}

// The result is JSON inside of a text, so its own members are told by \" in front, and what output holds by more.
void ResultLines::scan(std::string_view bytes) {
  buffer_ += bytes;
  if (code_.empty()) code_ = valueAfter(buffer_, R"(\"exitCode\":)", ",}");
  if (status_.empty()) status_ = valueAfter(buffer_, R"(\"status\":\")", "\\");
  if (buffer_.size() > kScanBack) buffer_.erase(0, buffer_.size() - kScanBack);
}

void ResultLines::take(std::string_view line) {
  const JsonDocument event = JsonDocument::parse(line, "the sandbox's line about a command");
  const std::string_view type = event.root().textOr("type");
  if (type == "stdout" || type == "stderr") {
    if (const std::string_view text = event.root().textOr("data"); !text.empty()) output_(type == "stderr", text);
  } else if (type == "result") {
    outcome_ = outcomeOf(JsonDocument::parse(event.root().text("data"), "the sandbox's result of a command").root());
  }
}

CommandStream::CommandStream(Box& box, const vendor::Request& request, ResultLines::Output output)
    : box_(box), lines_(output), output_(std::move(output)) {
  vendor::Handlers handlers;
  handlers.head = [this](const vendor::Answer& head) {
    head_ = head;
    streams_ = head.ok() && head.header("content-type").find("ndjson") != std::string_view::npos;
  };
  handlers.data = [this](std::string_view bytes) { takeData(bytes); };
  handlers.end = [this] {
    if (streams_) lines_.finish();
    over_ = true;
  };
  handlers.fail = [this](const Failure& failure) {
    broken_ = failure;
    over_ = true;
  };
  request_ = box_.session().start(request, std::move(handlers));
}

CommandStream::~CommandStream() { box_.session().close(request_); }

void CommandStream::takeData(std::string_view bytes) {
  if (streams_) return lines_.feed(bytes);
  head_.body += bytes.substr(0, kPlainMax - std::min(kPlainMax, head_.body.size()));
}

Outcome CommandStream::outcome() {
  if (lines_.outcome()) return *lines_.outcome();
  if (broken_) throw box_.broken(*broken_).error();
  if (head_.status != 0 && !head_.ok()) throw box_.failure(head_).error();
  if (!streams_) {  // a daemon that does not stream says all at the end
    const JsonDocument view = box_.api().json(head_, "a command");
    const Outcome outcome = outcomeOf(view.root());
    for (const bool error : {false, true}) {
      const std::string_view text = view.root().textOr(error ? "stderr" : "stdout");
      if (!text.empty()) output_(error, text);
    }
    return outcome;
  }
  Failure failure;
  failure.is(CSDK_UNAVAILABLE, CSDK_ERROR_NETWORK);
  failure.message = "the connection to the sandbox ended while the command was running";
  failure.maybeApplied = true;
  throw box_.broken(std::move(failure)).error();
}

}  // namespace computesdk::blaxel

#include "common/download.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace computesdk::vendor {
namespace {

/// Of a file of this size the caller wants to know how much room it takes.
constexpr std::int64_t kLarge = std::int64_t{1} << 20;
constexpr std::size_t kFailureBytes = 65536;

class Download {
 public:
  Download(Session& session, const csdk_fs_args& args, const std::function<bool(const Answer&)>& isContent)
      : session_(session),
        isContent_(isContent),
        skip_(args.offset),
        left_(args.length < 0 ? INT64_MAX : args.length) {}

  Answer run(const Request& request) {
    Handlers handlers;
    handlers.head = [this](const Answer& head) { takeHead(head); };
    handlers.data = [this](std::string_view bytes) { take(bytes); };
    handlers.end = [this] { over_ = true; };
    const std::uint64_t number = session_.start(request, std::move(handlers));
    session_.until([&] { return over_ || foreign_ || (head_.ok() && left_ == 0); });
    session_.close(number);
    return std::move(head_);
  }

 private:
  void takeHead(const Answer& head) {
    head_ = head;
    if (!head.ok()) return;
    if (head.status == 206) skip_ = 0;  // the range that was asked for
    foreign_ = isContent_ && !isContent_(head);
    if (foreign_) return;
    const std::string_view length = head.header("content-length");
    std::int64_t size = 0;
    std::from_chars(length.data(), length.data() + length.size(), size);
    size = std::min(size - skip_, left_);
    if (size >= kLarge) session_.call().progress("read", {}, 0, size);
  }

  void take(std::string_view bytes) {
    if (!head_.ok()) {
      if (head_.body.size() < kFailureBytes) head_.body += bytes;
      return;
    }
    if (foreign_) return;
    const auto skipped = std::min<std::int64_t>(skip_, static_cast<std::int64_t>(bytes.size()));
    skip_ -= skipped;
    bytes.remove_prefix(static_cast<std::size_t>(skipped));
    bytes = bytes.substr(
        0, static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(bytes.size()))));
    left_ -= static_cast<std::int64_t>(bytes.size());
    if (!bytes.empty()) session_.call().data(plugin::bytes(bytes));
  }

  Session& session_;
  const std::function<bool(const Answer&)>& isContent_;
  std::int64_t skip_, left_;
  Answer head_;
  bool over_ = false, foreign_ = false;
};

void requireOffset(const csdk_fs_args& args) {
  if (args.offset < 0) throw plugin::Error(CSDK_INVALID_ARGUMENT, "a file's offset must not be negative");
}

}  // namespace

void addRange(Request& request, const csdk_fs_args& args) {
  requireOffset(args);
  if (args.offset == 0 && args.length <= 0) return;
  std::string range = "bytes=" + std::to_string(args.offset) + "-";
  if (args.length > 0 && args.length <= INT64_MAX - args.offset) range += std::to_string(args.offset + args.length - 1);
  request.headers.emplace_back("Range", range);
}

Answer download(Session& session, const Request& request, const csdk_fs_args& args,
                const std::function<bool(const Answer&)>& isContent) {
  requireOffset(args);
  return Download(session, args, isContent).run(request);
}

}  // namespace computesdk::vendor

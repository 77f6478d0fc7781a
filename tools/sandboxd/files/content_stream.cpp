#include "files/content_stream.hpp"

#include <errno.h>

#include <memory>
#include <utility>

#include "core/answer.hpp"
#include "core/utf8.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kPiece = 256 << 10;
constexpr std::string_view kTail = "\"}}";

// The inside of a JSON string.
std::string escaped(std::string_view text) {
  const std::string quoted = serving::jsonString(text);
  return quoted.substr(1, quoted.size() - 2);
}

std::string headOf(const std::string& fileJson) {
  return "{\"message\":\"File content retrieved\",\"data\":{\"file\":" + fileJson + ",\"content\":\"";
}

// One answer under way. Between two pieces nothing runs: the client's socket asks for the next.
class ContentStream : public std::enable_shared_from_this<ContentStream> {
 public:
  ContentStream(serving::Reply reply, Workers& workers, UniqueFd file)
      : reply_(std::move(reply)), workers_(workers), file_(std::move(file)) {}

  void begin(std::string head, std::string_view first) {
    serving::Response response = serving::Response::json(200, std::move(head));
    response.body += escaped(text_.take(first));
    if (reply_.begin(std::move(response))) next();
  }

 private:
  void next() {
    std::string bytes;
    if (!readUpTo(file_.get(), kPiece, bytes)) return reply_.abort();
    if (bytes.empty()) {
      reply_.write(escaped(text_.finish()).append(kTail));
      return reply_.end();
    }
    reply_.write(escaped(text_.take(bytes)), [self = shared_from_this()](bool open) {
      if (open) self->workers_.run([self] { self->next(); });
    });
  }

  const serving::Reply reply_;
  Workers& workers_;
  const UniqueFd file_;
  Utf8Stream text_;
};

}  // namespace

void sendContent(const serving::Reply& reply, Workers& workers, OpenFile file, const std::string& path,
                 const std::string& fileJson) {
  std::string content;
  if (!readUpTo(file.descriptor.get(), kPiece, content)) {
    reply.send(failure(ioFailure(errno, "Cannot read " + path)));
    return;
  }
  if (content.size() < kPiece) {
    reply.send(serving::Response::json(200, headOf(fileJson) + escaped(content).append(kTail)));
    return;
  }
  std::make_shared<ContentStream>(reply, workers, std::move(file.descriptor))->begin(headOf(fileJson), content);
}

}  // namespace computesdk::sandboxd

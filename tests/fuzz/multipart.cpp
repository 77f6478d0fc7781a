// Bodies of multipart/form-data: whatever the pieces they come in, the parts are the same.
#include <simulators/harness/multipart.hpp>

#include <array>
#include <cstddef>
#include <string_view>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

struct Seen {
  std::string text;  // names, file names and contents, with marks between
  bool broken = false;
  bool operator==(const Seen&) const = default;
};

Seen readAll(const std::string& boundary, std::string_view body, std::size_t piece) {
  simulators::Multipart parts(boundary, [&]() -> std::optional<std::string> {
    if (body.empty()) return std::nullopt;
    const std::string next(body.substr(0, piece));
    body.remove_prefix(next.size());
    return next;
  });
  Seen seen;
  std::array<std::byte, 7> buffer{};
  while (const auto part = parts.nextPart()) {
    seen.text += "[" + part->name + "|" + part->filename + "|";
    while (const std::size_t size = parts.read(buffer)) {
      require(size <= buffer.size(), "no more than there is room for");
      seen.text.append(reinterpret_cast<const char*>(buffer.data()), size);
    }
    seen.text += "]";
  }
  seen.broken = parts.broken();
  return seen;
}

}  // namespace

std::vector<std::string> seeds() {
  return {"b\n--b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/x\r\n--b--\r\n",
          "b\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\nContent-Type: "
          "x/y\r\n\r\n\r\n--\r\n--b\r\n"
          "\r\nsecond\r\n--b--\r\n",
          "bb\npreamble\r\n--bb\r\n\r\n--b\r\n--bb", "b\n--b\r\nContent-Disposition: form-data; name=\"a"};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == 0 || line == std::string_view::npos || line > 70) return 0;
  const std::string boundary(input.substr(0, line));
  const std::string_view body = input.substr(line + 1);
  const Seen whole = readAll(boundary, body, body.size() + 1);
  for (const std::size_t piece : {1U, 3U})
    require(readAll(boundary, body, piece) == whole, "pieces make no difference");
  return 0;
}

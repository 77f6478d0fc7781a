#pragma once

#include <any>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::serving {

/// Header fields in their order. Names are compared without case. A plain value.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first field of that name, or null. Valid until the next change.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
  /// The first field's value, or "".
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
  [[nodiscard]] bool has(std::string_view name) const noexcept { return find(name) != nullptr; }
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  /// Does any field of that name hold `token` in its comma-separated list? Without case.
  [[nodiscard]] bool hasToken(std::string_view name, std::string_view token) const noexcept;
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string value);
  /// Adds one more field.
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void remove(std::string_view name);

  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

/// Are these the same without regard to the case of ASCII letters?
[[nodiscard]] bool equalNames(std::string_view a, std::string_view b) noexcept;
/// Percent-decodes once; nothing when a '%' is not followed by two hexadecimal digits. With `plusIsSpace`, '+' is ' '.
[[nodiscard]] std::optional<std::string> percentDecode(std::string_view text, bool plusIsSpace = false);
/// Percent-encodes all but letters, digits and "-._~".
[[nodiscard]] std::string percentEncode(std::string_view text);

class BodyShare;

/// What a client asked. A plain value: a handler may move it to another thread.
struct Request {
  std::string method;  ///< "GET", as sent
  std::string target;  ///< path and query exactly as sent: "/files//tmp/a%20b?content=true"
  std::string path;    ///< the part before '?', undecoded; hooks may rewrite it before routing
  std::string query;   ///< the part after '?', undecoded
  Headers headers;
  std::string body;        ///< whole body; empty on routes that stream it (Reply::readBody)
  std::string peer;        ///< numeric address of the client without its port; "" on a Unix socket
  std::uint16_t port = 0;  ///< port of the server that took the connection
  bool secure = false;     ///< came through TLS
  std::string id;          ///< request id: the client's X-Request-Id when it is sane, else a new one
  std::string route;       ///< pattern of the route that serves it; "" before routing
  std::any context;        ///< what the hooks hand to the handler: who asks, for which sandbox…
  std::vector<std::pair<std::string, std::string>> captures;  ///< as capture() says
  std::shared_ptr<BodyShare> bodyShare;  ///< counts `body` against ServerOptions::bodyBudget while a copy of this lives

  /// First field of that name, or "".
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept { return headers.get(name); }
  /// First value of a query parameter, decoded ('+' is a space); nothing when absent. "" for "?flag".
  [[nodiscard]] std::optional<std::string> queryValue(std::string_view name) const;
  /// A cookie's value as sent; nothing when absent.
  [[nodiscard]] std::optional<std::string> cookie(std::string_view name) const;
  /// Value of ":name" in the route's pattern, percent-decoded once, or of the rest "**" under the name "**", undecoded
  /// and without the slash before it. "" when the pattern has none.
  [[nodiscard]] const std::string& capture(std::string_view name) const noexcept;
  /// Host header without its port, lower case; "[::1]" keeps its brackets.
  [[nodiscard]] std::string host() const;
  /// Token of "Authorization: Bearer …"; "" when there is none.
  [[nodiscard]] std::string_view bearer() const noexcept;
  /// Does it ask to become a WebSocket, or any other protocol?
  [[nodiscard]] bool wantsWebSocket() const noexcept;
  [[nodiscard]] bool wantsUpgrade() const noexcept;
};

/// What the server answers. A plain value. Content-Length, Date, Connection and the server's own headers are added when
/// it is sent.
struct Response {
  int status = 200;
  Headers headers;
  std::string body;

  static Response json(int status, std::string text);
  static Response text(int status, std::string text, std::string type = "text/plain; charset=utf-8");
  /// 204 without a body.
  static Response noContent();
  static Response redirect(std::string location, int status = 302);
  /// {"error":"…","code":"…"}: the plain error body.
  static Response error(int status, std::string_view code, std::string_view sentence);

  Response&& with(std::string_view name, std::string value) &&;
};

/// "Not Found"; "Status" for numbers that no one knows.
[[nodiscard]] std::string_view statusText(int status) noexcept;
/// `text` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string jsonString(std::string_view text);

}  // namespace computesdk::serving

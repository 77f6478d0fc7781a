#pragma once

#include <string>
#include <string_view>

namespace computesdk::vendor {

/// What stands around a file in a multipart/form-data body, so that the file itself may stream between before() and
/// after(). The boundary is 128 random bits, so that no content holds it.
///
///   Multipart form;
///   form.field("path", "/x").file("file", "x");
///   upload(session, request, args, form.before(), form.after());
class Multipart {
 public:
  Multipart();

  [[nodiscard]] std::string contentType() const { return "multipart/form-data; boundary=" + boundary_; }
  /// A whole field.
  Multipart& field(std::string_view name, std::string_view value);
  /// The file, once and last.
  Multipart& file(std::string_view name, std::string_view fileName);

  [[nodiscard]] const std::string& before() const noexcept { return before_; }
  [[nodiscard]] std::string after() const;

 private:
  void open();
  std::string boundary_, before_;
};

}  // namespace computesdk::vendor

#pragma once

#include <string>
#include <string_view>

namespace computesdk::vendor {

/// A multipart/form-data body, written piece by piece so that a file may stream: field(…), file(…) and then the bytes of
/// the file, end(). The boundary is 128 random bits, so that no content holds it.
class Multipart {
 public:
  Multipart();

  [[nodiscard]] std::string contentType() const { return "multipart/form-data; boundary=" + boundary_; }
  /// A whole field.
  std::string field(std::string_view name, std::string_view value);
  /// What stands before the bytes of a file.
  std::string file(std::string_view name, std::string_view fileName);
  /// What stands behind everything.
  [[nodiscard]] std::string end() const;

 private:
  std::string open();
  std::string boundary_;
  bool first_ = true;
};

}  // namespace computesdk::vendor

#pragma once

#include "descriptor.hpp"
#include "value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace computesdk::bench {

/// HTTP/1.1 by hand over one kept connection: what an exchange costs when nobody but the service works. Errors are
/// conformance::Problem.
class RawClient {
 public:
  /// `url`: "http://127.0.0.1:PORT".
  explicit RawClient(std::string_view url);

  /// Sends a whole request and reads its whole answer. The answer's body as it was framed. Throws unless it is a 2xx.
  std::string exchange(std::string_view request);

 private:
  void fill();
  std::string take(std::size_t size);
  std::string takeLine();

  conformance::Descriptor socket_;
  std::string buffer_;
};

/// The bytes that repeat requests of `GET /_sim/requests`, in their order.
std::vector<std::string> repeatable(const conformance::Value& requests);

}  // namespace computesdk::bench

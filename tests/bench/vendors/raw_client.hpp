#pragma once

#include "descriptor.hpp"
#include "value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace computesdk::bench {

/// What came back for a request: the body as it is without its framing.
struct RawAnswer {
  int status = 0;
  std::string contentType;
  std::string body;
};

/// HTTP/1.1 by hand over one kept connection: what an exchange costs when nobody but the service works. Errors are
/// conformance::Problem.
class RawClient {
 public:
  /// `url`: "http://127.0.0.1:PORT".
  explicit RawClient(std::string_view url);

  /// Sends a whole request and reads its whole answer.
  RawAnswer exchange(std::string_view request);

 private:
  void fill();
  std::string take(std::size_t size);
  std::string takeLine();

  conformance::Descriptor socket_;
  std::string buffer_;
};

/// A request that the simulator has seen.
struct SeenRequest {
  std::string method, path;
  std::string text;       ///< the bytes that repeat it
  bool upgrades = false;  ///< to a WebSocket: cannot be repeated here
};
/// Those of `GET /_sim/requests`, in their order.
std::vector<SeenRequest> seenRequests(const conformance::Value& requests);

}  // namespace computesdk::bench

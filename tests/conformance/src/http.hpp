#pragma once

#include <map>
#include <optional>
#include <string>

namespace computesdk::conformance {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// One plain HTTP/1.1 exchange with an address of its own connection; what a case needs to fetch a port and to talk to
/// a simulator. `connectTo` ("127.0.0.1:8080"): goes there whatever host the URL names. Nothing when the peer cannot be
/// reached or breaks off; `why` says the reason. Throws Problem for a URL that is not http://.
std::optional<HttpAnswer> httpExchange(const std::string& method, const std::string& url, const std::string& body,
                                       const std::map<std::string, std::string>& headers, int timeoutMs,
                                       std::string& why, const std::string& connectTo = {});

}  // namespace computesdk::conformance

#pragma once

#include <string>
#include <string_view>

#include "harness/json.hpp"
#include "harness/server.hpp"

// The Connect protocol's framing, in JSON.
namespace computesdk::simulators {

/// A failure of a call, by Connect's code ("not_found").
struct RpcError {
  std::string code, message;
};

std::string envelope(unsigned char flags, std::string_view json);
/// Takes one envelope off the front of `bytes`. False: it is not whole, or of a kind that is not understood.
bool takeEnvelope(std::string& bytes, std::string& json);

/// A unary call's message. False: it has answered.
bool readUnary(Exchange& exchange, rapidjson::Document& message);
/// A streaming call's only message. False: it has answered.
bool readStream(Exchange& exchange, rapidjson::Document& message);
void respondUnary(Exchange& exchange, std::string_view json);
void respondUnary(Exchange& exchange, const RpcError& error);

/// The answer to a streaming call.
class RpcStream {
 public:
  explicit RpcStream(Exchange& exchange) : exchange_(exchange) {}
  /// False: the peer is gone.
  bool send(std::string_view json);
  void end();
  void end(const RpcError& error);

 private:
  void open();
  Exchange& exchange_;
  bool open_ = false;
};

}  // namespace computesdk::simulators

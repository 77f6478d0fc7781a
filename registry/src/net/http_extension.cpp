#include "net/http_extension.hpp"

#include "host/call.hpp"
#include "host/host_context.hpp"
#include "net/http_call.hpp"

// The functions of csdk_http_ext: each finds its call and hands over to the call's requests.
namespace computesdk::registry::net {
namespace {

using host::CallPin;
using host::contextOf;
using host::readStruct;

/// The requests of a call, kept alive past its end. Null when the call is over.
std::shared_ptr<HttpCall> requestsOf(const csdk_host* host, csdk_call call) {
  CallPin pin(call, &contextOf(host));
  return pin ? pin->http() : nullptr;
}

csdk_status httpStart(const csdk_host* host, csdk_call call, const csdk_http_request* request, std::uint64_t* out) {
  if (request == nullptr || out == nullptr) return CSDK_INVALID_ARGUMENT;
  const std::shared_ptr<HttpCarrier> carrier = contextOf(host).http();
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  if (!carrier || !requests) return contextOf(host).stale("http start", call);
  const csdk_http_request ours = readStruct(request);
  return requests->start(*carrier, ours, out);
}

csdk_status httpNext(const csdk_host* host, csdk_call call, std::int64_t deadlineNs, csdk_http_event* out) {
  if (out == nullptr || out->struct_size < sizeof(std::uint32_t)) return CSDK_INVALID_ARGUMENT;
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  if (!requests) return contextOf(host).stale("http next", call);
  return requests->next(deadlineNs, out);
}

csdk_status httpWrite(const csdk_host* host, csdk_call call, std::uint64_t request, std::uint32_t flags,
                      csdk_bytes data) {
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  return requests ? requests->write(request, flags, data) : contextOf(host).stale("http write", call);
}

csdk_status httpAck(const csdk_host* host, csdk_call call, std::uint64_t request, std::size_t size) {
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  return requests ? requests->ack(request, size) : contextOf(host).stale("http ack", call);
}

csdk_status httpClose(const csdk_host* host, csdk_call call, std::uint64_t request, std::int32_t code,
                      csdk_str reason) {
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  return requests ? requests->close(request, code, reason) : contextOf(host).stale("http close", call);
}

csdk_status httpWake(const csdk_host* host, csdk_call call) {
  const std::shared_ptr<HttpCall> requests = requestsOf(host, call);
  return requests ? requests->wake() : CSDK_CANCELLED;
}

}  // namespace

const csdk_http_ext kHttpExtension = {
    sizeof(csdk_http_ext), CSDK_ABI_MINOR, &httpStart, &httpNext, &httpWrite, &httpAck, &httpClose, &httpWake};

}  // namespace computesdk::registry::net

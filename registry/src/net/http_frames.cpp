#include "net/http_frames.hpp"

#include <array>
#include <cstddef>

namespace computesdk::registry::net {
namespace {

using host::Field;
using host::FieldKind;
using host::StructInfo;

constexpr std::array kRetryFields = {Field{offsetof(csdk_http_retry, flags), FieldKind::word},
                                     Field{offsetof(csdk_http_retry, mode), FieldKind::word},
                                     Field{offsetof(csdk_http_retry, max_attempts), FieldKind::word},
                                     Field{offsetof(csdk_http_retry, statuses), FieldKind::ports},
                                     Field{offsetof(csdk_http_retry, total_ms), FieldKind::number}};
constexpr StructInfo kHttpRetry = {"csdk_http_retry", sizeof(csdk_http_retry), kRetryFields};

constexpr std::array kRequestFields = {Field{offsetof(csdk_http_request, flags), FieldKind::word},
                                       Field{offsetof(csdk_http_request, method), FieldKind::str},
                                       Field{offsetof(csdk_http_request, url), FieldKind::str},
                                       Field{offsetof(csdk_http_request, headers), FieldKind::pairs},
                                       Field{offsetof(csdk_http_request, secret_headers), FieldKind::pairs},
                                       Field{offsetof(csdk_http_request, subprotocols), FieldKind::strs},
                                       Field{offsetof(csdk_http_request, retry), FieldKind::nested, &kHttpRetry},
                                       Field{offsetof(csdk_http_request, connect_timeout_ms), FieldKind::number},
                                       Field{offsetof(csdk_http_request, head_timeout_ms), FieldKind::number},
                                       Field{offsetof(csdk_http_request, idle_timeout_ms), FieldKind::number}};

constexpr std::array kEventFields = {Field{offsetof(csdk_http_event, flags), FieldKind::word},
                                     Field{offsetof(csdk_http_event, kind), FieldKind::word},
                                     Field{offsetof(csdk_http_event, status), FieldKind::word},
                                     Field{offsetof(csdk_http_event, headers), FieldKind::pairs},
                                     Field{offsetof(csdk_http_event, data), FieldKind::bytes},
                                     Field{offsetof(csdk_http_event, message), FieldKind::str},
                                     Field{offsetof(csdk_http_event, error_class), FieldKind::word},
                                     Field{offsetof(csdk_http_event, attempts), FieldKind::word}};

}  // namespace

const StructInfo kHttpRequest = {"csdk_http_request", sizeof(csdk_http_request), kRequestFields};
const StructInfo kHttpEvent = {"csdk_http_event", sizeof(csdk_http_event), kEventFields};

std::string httpBody(std::uint64_t request, std::string_view rest, std::string_view more) {
  std::string body;
  body.reserve(sizeof request + rest.size() + more.size());
  body.append(rawBytes(request)).append(rest).append(more);
  return body;
}

}  // namespace computesdk::registry::net

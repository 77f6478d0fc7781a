#include "result.hpp"

#include <cerrno>
#include <cstring>

namespace computesdk::local {
namespace {

ErrorClass classOf(int code) {
  switch (code) {
    case ENOENT:
    case ESRCH:
    case ENOTDIR: return ErrorClass::kNotFound;
    case EEXIST: return ErrorClass::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorClass::kPermissionDenied;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case EFBIG: return ErrorClass::kResourceExhausted;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP: return ErrorClass::kInvalidArgument;
    case EBUSY:
    case ENOTEMPTY:
    case EISDIR:
    case ETXTBSY: return ErrorClass::kFailedPrecondition;
    case ENOSYS:
    case EOPNOTSUPP: return ErrorClass::kUnimplemented;
    case ETIMEDOUT: return ErrorClass::kDeadlineExceeded;
    case ECANCELED: return ErrorClass::kCancelled;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return ErrorClass::kUnavailable;
    default: return ErrorClass::kInternal;
  }
}

}  // namespace

Error systemError(int code, std::string what, std::string fix) {
  char text[128];
  // The GNU form gives a pointer that may or may not be into `text`.
  const char* reason = ::strerror_r(code, text, sizeof text);
  Error error;
  error.kind = classOf(code);
  error.message = std::move(what);
  error.message += ": ";
  error.message += reason;
  error.fix = std::move(fix);
  error.systemError = code;
  return error;
}

}  // namespace computesdk::local

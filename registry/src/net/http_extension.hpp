#pragma once

#include <computesdk/plugin.h>

namespace computesdk::registry::net {

/// The host's csdk.http/1.
extern const csdk_http_ext kHttpExtension;

}  // namespace computesdk::registry::net

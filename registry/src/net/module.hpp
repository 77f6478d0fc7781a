#pragma once

#include "net/module_api.h"

#include <string>

namespace computesdk::registry::net {

/// The table of computesdk-net, opened with the first call and never closed. Null with `problem` when there is none.
/// Thread-safe.
const csdk_net_table* netModule(std::string& problem);

}  // namespace computesdk::registry::net

#pragma once

#include <computesdk/serving/router.hpp>

namespace computesdk::sandboxd {

class Context;

/// POST /run/code.
void addCodeRoute(serving::Router& router, Context& context);

}  // namespace computesdk::sandboxd

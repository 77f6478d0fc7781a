// The network namespace between the sandbox and pasta. Part of the supervisor.
#pragma once

#include "../launcher/sys.hpp"
#include "orders.hpp"

namespace computesdk::local::network {

struct Failure {
  NetStep step = NetStep::kUp;
  int error = 0;
  bool ok() const { return step == NetStep::kUp; }
};

struct Router {
  int sandbox = -1;  // routing sockets, in the sandbox's namespace and in the router's
  int router = -1;
  int events = -1;  // link events of the router's
};

// Caller: a process of its own, in the user namespace above the sandbox's. It ends up in the sandbox's user namespace
// and a new network namespace, linked to the sandbox's; every closed range is closed. `userNamespace` is -1 where the
// caller is in the sandbox's already.
Failure buildRouter(int userNamespace, int netNamespace, const Orders& orders, Router& router);
// Waits until the helper's tap0 is there.
Failure waitForTap(const Router& router, std::int64_t deadlineMs);
// Opens the way out over it.
Failure connectTap(const Router& router, const Orders& orders);

}  // namespace computesdk::local::network

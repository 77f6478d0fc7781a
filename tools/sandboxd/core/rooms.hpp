// The rooms that make a sandbox. Each registers its routes and keeps its state in the handlers and in the context.
#pragma once

#include <computesdk/serving/router.hpp>

namespace computesdk::sandboxd {

class Context;

// tools/sandboxd/commands: /run/command, /execute, /run/code; terminals: /terminals…; socket: /ws.
void addCommandRoutes(serving::Router& router, Context& context);
void addTerminalRoutes(serving::Router& router, Context& context);
void addSocketRoutes(serving::Router& router, Context& context);

// tools/sandboxd/{files,env,watchers,overlays}, library csdk_sandboxd_files.
void addFileRoutes(serving::Router& router, Context& context);
void addEnvRoutes(serving::Router& router, Context& context);
void addWatcherRoutes(serving::Router& router, Context& context);
void addOverlayRoutes(serving::Router& router, Context& context);

// tools/sandboxd/{auth,servers,signals,children}, library csdk_sandboxd_services.
void addAuthRoutes(serving::Router& router, Context& context);  ///< sets Shared::authenticate for the main sandbox
void addServerRoutes(serving::Router& router, Context& context);
void addSignalRoutes(serving::Router& router, Context& context);
void addChildRoutes(serving::Router& router, Context& context);
void addInfoRoutes(serving::Router& router, Context& context);  ///< /info, /ready
/// Applies Config::setup (overlays first, then servers). Once, for the main sandbox, when the daemon listens; returns
/// at once and works on its own.
void applySetup(Context& context);

}  // namespace computesdk::sandboxd

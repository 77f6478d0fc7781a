// /info and /ready.
#include <computesdk/serving/router.hpp>

#include <memory>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "servers/setup.hpp"

namespace computesdk::sandboxd {

void addInfoRoutes(serving::Router& router, Context& context) {
  const auto setup = std::make_shared<SetupState>();
  // From the beginning: requests may come before the setup is begun.
  setup->pending = context.isMain() && !context.config().setup.empty();
  context.provide(setup);
  router.on("GET", "/info", [&context](const serving::Request&) {
    const Config& config = context.config();
    return envelope("Sandbox information",
                    JsonObject()
                        .boolean("auth_enabled", !config.accessToken.empty())
                        .text("main_subdomain", config.subdomain)
                        .number("sandbox_count", static_cast<std::int64_t>(context.shared().sandboxes->all().size()))
                        .text("sandbox_url", context.baseUrl())
                        .text("version", config.version)
                        .str());
  });
  router.on("GET", "/ready", [&context](const serving::Request&) { return plain(readyJson(context)); });
}

}  // namespace computesdk::sandboxd

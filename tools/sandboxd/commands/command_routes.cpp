// /run/command and /execute.
#include <computesdk/serving/router.hpp>

#include "commands/code.hpp"
#include "commands/order.hpp"
#include "core/answer.hpp"
#include "core/rooms.hpp"

namespace computesdk::sandboxd {

std::shared_ptr<CommandTable> commandTableOf(Context& context) {
  auto table = context.find<CommandTable>();
  if (!table) {
    table = std::make_shared<CommandTable>(context);
    table->open();
    context.provide(table);
  }
  return table;
}

void addCommandRoutes(serving::Router& router, Context& context) {
  const auto table = commandTableOf(context);
  for (const bool withStream : {true, false}) {
    router.onAsync("POST", withStream ? "/run/command" : "/execute",
                   [&context, table, withStream](const serving::Request& request, const serving::Reply& reply) {
                     auto order = readOrder(request, context, withStream);
                     if (!order) {
                       reply.send(failure(order.error()));
                       return;
                     }
                     runAndAnswer(context, table, nullptr, std::move(*order), reply);
                   });
  }
  addCodeRoute(router, context);
}

}  // namespace computesdk::sandboxd

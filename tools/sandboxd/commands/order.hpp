#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/message.hpp>
#include <computesdk/serving/reply.hpp>

#include "commands/command_table.hpp"

namespace computesdk::sandboxd {

/// Reads the body of /run/command, /execute or /terminals/:id/execute. `withStream`: the endpoint knows `stream`.
Result<CommandOrder> readOrder(const serving::Request& request, const Context& context, bool withStream);

/// Runs an order and answers when it is finished, or at once when it is for the background or waits for its start.
/// Loop's thread.
void runAndAnswer(Context& context, const std::shared_ptr<CommandTable>& table, const std::string* terminalId,
                  CommandOrder order, const serving::Reply& reply);

/// Answers with a finished command; builds a long answer on a worker.
void answerCommand(Context& context, const CommandPtr& command, const serving::Reply& reply,
                   std::string (*data)(const Command&));

}  // namespace computesdk::sandboxd

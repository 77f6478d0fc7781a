#pragma once

#include "blaxel/box.hpp"

// Background processes. The sandbox keeps their output; it is asked for again and again while somebody follows it.
namespace computesdk::blaxel {

void processStart(Box& box, const csdk_process_start_args& args);
void processList(Box& box);
void processAttach(Box& box, const csdk_process_args& args);
void processWait(Box& box, const csdk_process_args& args);
void processWriteStdin(Box& box, const csdk_process_args& args);
void processSignal(Box& box, const csdk_process_args& args);

}  // namespace computesdk::blaxel

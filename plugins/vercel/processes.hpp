#pragma once

#include "vercel/machine.hpp"

#include <computesdk/provider/call.hpp>

// Background processes: commands below a small shell script that keeps their output in files, notes how they ended, and
// can be found by a word of its own, the process's id. Vercel's own background commands cannot be listed, take no input
// and are signalled alone.
namespace computesdk::vercel {

void processStart(Machine& machine, const csdk_process_start_args& args);
void processList(Machine& machine);
void processAttach(Machine& machine, const csdk_process_args& args);
void processWait(Machine& machine, const csdk_process_args& args);
void processWriteStdin(Machine& machine, const csdk_process_args& args);
void processSignal(Machine& machine, const csdk_process_args& args);

}  // namespace computesdk::vercel

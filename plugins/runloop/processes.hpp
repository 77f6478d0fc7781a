#pragma once

#include "runloop/devbox.hpp"

// Commands that go on without their caller: executions, with a note of each in the devbox, since Runloop lists none.
namespace computesdk::runloop {

void processStart(Devbox& devbox, const csdk_process_start_args& args);
void processList(Devbox& devbox);
void processAttach(Devbox& devbox, const csdk_process_args& args);
void processWait(Devbox& devbox, const csdk_process_args& args);
void processWriteStdin(Devbox& devbox, const csdk_process_args& args);
void processSignal(Devbox& devbox, const csdk_process_args& args);

}  // namespace computesdk::runloop

#pragma once

// Everything an application needs. Includes the standard library only.
#include <computesdk/capabilities.hpp>
#include <computesdk/child_sandboxes.hpp>
#include <computesdk/command.hpp>
#include <computesdk/command_line.hpp>
#include <computesdk/compute.hpp>
#include <computesdk/daemon.hpp>
#include <computesdk/detection.hpp>
#include <computesdk/env_file.hpp>
#include <computesdk/error.hpp>
#include <computesdk/filesystem.hpp>
#include <computesdk/overlay.hpp>
#include <computesdk/port_stream.hpp>
#include <computesdk/process.hpp>
#include <computesdk/provider_handle.hpp>
#include <computesdk/result.hpp>
#include <computesdk/sandbox.hpp>
#include <computesdk/sandbox_manager.hpp>
#include <computesdk/server.hpp>
#include <computesdk/session_tokens.hpp>
#include <computesdk/signals.hpp>
#include <computesdk/terminal.hpp>
#include <computesdk/text_files.hpp>
#include <computesdk/types.hpp>
#include <computesdk/watcher.hpp>

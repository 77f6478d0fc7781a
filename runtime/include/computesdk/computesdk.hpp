#pragma once

// Everything an application needs. Includes the standard library only.
#include <computesdk/capabilities.hpp>
#include <computesdk/command.hpp>
#include <computesdk/command_line.hpp>
#include <computesdk/compute.hpp>
#include <computesdk/daemon.hpp>
#include <computesdk/detection.hpp>
#include <computesdk/error.hpp>
#include <computesdk/filesystem.hpp>
#include <computesdk/port_stream.hpp>
#include <computesdk/process.hpp>
#include <computesdk/provider_handle.hpp>
#include <computesdk/result.hpp>
#include <computesdk/sandbox.hpp>
#include <computesdk/sandbox_manager.hpp>
#include <computesdk/types.hpp>

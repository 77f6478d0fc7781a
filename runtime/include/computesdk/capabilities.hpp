#pragma once

#include <string>

namespace computesdk {

/// none: E_UNSUPPORTED; native: the provider does it; emulated: built here upon the provider's commands.
enum class Support { none, native, emulated };

/// What can be asked of a sandbox or provider. A plain value.
struct Capabilities {
  std::string provider;
  std::string placement;  ///< where the provider's code runs: "in-process" or "isolated"
  Support runCommand = Support::none;
  Support runCode = Support::none;
  Support filesystem = Support::none;  ///< native only when every file operation is
  Support background = Support::none;
  Support processes = Support::none;  ///< list, attach, signal
  Support pty = Support::none;
  Support getUrl = Support::none;
  Support dialPort = Support::none;  ///< streams to its ports without a network
  Support list = Support::none;
  Support getById = Support::none;
  Support named = Support::none;
  Support extendTimeout = Support::none;
  Support pause = Support::none;
  Support resume = Support::none;
  Support snapshot = Support::none;
  Support templates = Support::none;
  Support vendorCall = Support::none;
};

}  // namespace computesdk

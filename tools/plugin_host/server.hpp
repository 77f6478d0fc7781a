#pragma once

#include "channel.hpp"
#include "http_line.hpp"
#include "served_call.hpp"

#include "host/engine.hpp"
#include "host/opening.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>

namespace computesdk::plugin_host {

/// Serves one provider to the host at the other end of the channel, until that end closes.
class Server {
 public:
  Server(Channel& channel, const registry::host::PluginTables& tables, std::string name, bool async);

  /// Returns when the host has closed the line; the provider is closed then, unless calls of it are still running.
  void run();

 private:
  void handle(const registry::host::Frame& frame);
  void open(const registry::host::Frame& frame);
  void begin(const registry::host::Frame& frame);
  void serve(const std::shared_ptr<ServedCall>& call, std::uint64_t number);
  void fail(std::uint64_t call, const registry::host::CallFailure& failure);
  void complete(std::uint64_t call, csdk_status status);
  void close();
  std::shared_ptr<ServedCall> find(std::uint64_t number);
  [[noreturn]] void protocolError();

  Channel& channel_;
  const registry::host::PluginTables& tables_;
  const std::string name_;
  const bool async_;
  registry::host::HostContext* host_ = nullptr;  ///< once opened
  csdk_provider* provider_ = nullptr;
  std::shared_ptr<HttpLine> http_;  ///< when the host has csdk.http/1
  std::unique_ptr<registry::host::Backend> backend_;
  std::unique_ptr<registry::host::Engine> engine_;
  std::unique_ptr<registry::host::LanePool> pool_;
  std::atomic<std::uint64_t> reportedMisbehaviour_{0};

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<ServedCall>> calls_;
};

}  // namespace computesdk::plugin_host

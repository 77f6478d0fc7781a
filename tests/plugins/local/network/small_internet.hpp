// Two network namespaces: one plays this machine, the other everything beyond it. Nothing leaves the test.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <engine/unique_fd.hpp>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace computesdk::local::network {

constexpr std::uint16_t kPort = 8080;

class SmallInternet {
 public:
  // `addresses`: what exists out there, IPv4 in text.
  explicit SmallInternet(const std::vector<std::string>& addresses);
  ~SmallInternet();
  // Runs on a thread that lives on this machine's stand-in.
  void onHost(const std::function<void()>& work) const;
  // Local addresses that were reached so far: of TCP connections, and of UDP datagrams as "udp".
  std::set<std::string> reached();

 private:
  void serve();
  UniqueFd host_, outside_, stop_;
  std::vector<UniqueFd> listeners_, datagrams_;
  std::mutex mutex_;
  std::set<std::string> reached_;
  std::thread server_;
};

// Whether this process may make network namespaces. As an ordinary user it has entered a user namespace of its own
// for that (see main).
bool canMakeNetworks();

}  // namespace computesdk::local::network

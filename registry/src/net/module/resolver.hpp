#pragma once

#include "asio.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace computesdk::net {

/// What a name leads to.
struct Resolved {
  std::vector<asio::ip::address> addresses;
  std::string problem;  ///< why there are none
  bool permanent = false;
};

/// Looks names up on at most kThreads threads of its own, because the system's resolver blocks. Equal questions at the
/// same time are asked once, and an answer is kept for 30 s. I/O thread only.
class Resolver {
 public:
  static constexpr int kThreads = 2;

  explicit Resolver(asio::io_context& io);
  ~Resolver();

  /// Addresses as they are, `localhost` without asking anybody.
  Task<Resolved> lookup(std::string host, Clock::time_point until);

 private:
  struct Question;
  struct Workers;

  void ask(const std::string& host, const std::shared_ptr<Question>& question);

  asio::io_context& io_;
  std::map<std::string, std::shared_ptr<Question>, std::less<>> questions_;
  std::shared_ptr<Workers> workers_;
};

}  // namespace computesdk::net

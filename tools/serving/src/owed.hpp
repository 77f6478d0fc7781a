#pragma once

#include "connection.hpp"

#include <computesdk/serving/reply.hpp>

#include <atomic>

namespace computesdk::serving {

/// What the copies of a Reply share. Calls from other threads become work for the loop; those from its thread are
/// made at once, unless earlier ones are still on their way.
struct Reply::Owed {
  Owed(std::shared_ptr<Connection> theConnection, Loop& theLoop, std::uint64_t theNumber, bool isStreamed)
      : connection(std::move(theConnection)), loop(theLoop), number(theNumber), streamed(isStreamed) {}
  ~Owed();
  Owed(const Owed&) = delete;
  Owed& operator=(const Owed&) = delete;

  /// Runs `call` on the loop's thread, in the order of these calls.
  template <class Call>
  static void run(const std::shared_ptr<Owed>& owed, Call call) {
    if (owed->loop.onThread() && owed->posted.load() == 0) {
      call(*owed->connection);
      return;
    }
    owed->posted.fetch_add(1);
    owed->loop.post([owed, call = std::make_shared<Call>(std::move(call))] {
      owed->posted.fetch_sub(1);
      (*call)(*owed->connection);
    });
  }

  const std::shared_ptr<Connection> connection;
  Loop& loop;
  const std::uint64_t number;
  const bool streamed;
  std::optional<Request> upgrade;  ///< the request that asks for another protocol: its method and headers
  std::atomic<bool> answered{false};
  std::atomic<bool> begun{false};
  std::atomic<bool> ended{false};
  std::atomic<int> posted{0};
};

}  // namespace computesdk::serving

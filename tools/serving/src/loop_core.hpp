#pragma once

#include <computesdk/serving/loop.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <atomic>
#include <thread>

namespace computesdk::serving {

/// What a loop is made of. Only files that need Asio include this.
struct Loop::Core {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work = boost::asio::make_work_guard(io);
  std::thread thread;
  std::atomic<std::thread::id> owner{};
};

}  // namespace computesdk::serving

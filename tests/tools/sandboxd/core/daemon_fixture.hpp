#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/client.hpp"
#include "core/daemon.hpp"
#include "core/rooms.hpp"

namespace computesdk::sandboxd::testing {

/// A daemon in the test's own process with the rooms of this library, and the token "access".
class CoreDaemonTest : public ::testing::Test {
 protected:
  void start(Limits limits = {}) {
    Config config;
    config.version = "0";
    config.accessToken = "access";
    config.listen = "127.0.0.1";
    config.port = 0;
    config.workingDirectory = folder_.path();
    config.subdomain = "main";
    daemon_ = std::make_unique<Daemon>(config, Environment{{"PATH", "/usr/bin:/bin"}, {"FROM_DAEMON", "yes"}}, limits);
    daemon_->shared().authenticate = [](const serving::Request& request) {
      const auto query = request.queryValue("token");
      const bool good = request.bearer() == "access" || query == "access";
      return Identity{good ? TokenKind::access : TokenKind::none, {}};
    };
    const auto opened = daemon_->open({addCommandRoutes, addTerminalRoutes, addSocketRoutes});
    ASSERT_TRUE(opened) << opened.error().firstLine();
  }
  void SetUp() override { start(); }

  [[nodiscard]] std::uint16_t port() const { return daemon_->port(); }
  [[nodiscard]] Answer get(const std::string& target) const { return ask(port(), "GET", target); }
  [[nodiscard]] Answer post(const std::string& target, const std::string& body) const {
    return ask(port(), "POST", target, body);
  }
  Answer run(const std::string& command) const {
    return post("/run/command", R"({"command":)" + serving::jsonString(command) + "}");
  }

  Folder folder_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace computesdk::sandboxd::testing

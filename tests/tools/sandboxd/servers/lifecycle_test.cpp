#include "servers/lifecycle.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace computesdk::sandboxd {
namespace {

using namespace std::chrono_literals;
using Action = Lifecycle::Action;
using Status = ServerStatus;

const Lifecycle::Time kNow{std::chrono::hours(1)};

LifecycleOptions policy(RestartPolicy policy, std::uint32_t most = 0) {
  LifecycleOptions options;
  options.policy = policy;
  options.maxRestarts = most;
  return options;
}

Lifecycle running(const LifecycleOptions& options) {
  Lifecycle life(options);
  EXPECT_EQ(life.begin(), Action::start);
  EXPECT_EQ(life.status(), Status::starting);
  life.launched();
  EXPECT_EQ(life.status(), Status::running);
  return life;
}

TEST(Lifecycle, NamesGoBothWays) {
  for (int at = 0; at < 7; ++at) {
    const auto status = static_cast<Status>(at);
    EXPECT_EQ(statusFromName(statusName(status)), status);
  }
  for (int at = 0; at < 3; ++at) {
    const auto value = static_cast<RestartPolicy>(at);
    EXPECT_EQ(policyFromName(policyName(value)), value);
  }
  EXPECT_FALSE(statusFromName("Ready"));
  EXPECT_FALSE(policyFromName("on_failure"));
}

TEST(Lifecycle, InstallRunsOnceBeforeTheFirstStart) {
  LifecycleOptions options;
  options.install = true;
  Lifecycle life(options);
  EXPECT_EQ(life.begin(), Action::install);
  life.launched();
  EXPECT_EQ(life.status(), Status::installing);
  EXPECT_EQ(life.ended(0, kNow), Action::start);
  life.launched();
  EXPECT_EQ(life.status(), Status::running);
  EXPECT_FALSE(life.exitCode());
  EXPECT_EQ(life.restart(kNow), Action::terminate);
  EXPECT_EQ(life.ended(143, kNow), Action::start) << "not installed again";
}

TEST(Lifecycle, AfterAFailedInstallStartNeverRuns) {
  LifecycleOptions options = policy(RestartPolicy::always);
  options.install = true;
  Lifecycle life(options);
  life.begin();
  life.launched();
  EXPECT_EQ(life.ended(2, kNow), Action::none);
  EXPECT_EQ(life.status(), Status::failed);
  EXPECT_EQ(life.exitCode(), 2);
  EXPECT_FALSE(life.wake());
  EXPECT_EQ(life.restart(kNow), Action::install) << "the user may try again";
}

struct PolicyCase {
  RestartPolicy policy;
  int exitCode;
  Status after;
};

class LifecyclePolicy : public testing::TestWithParam<PolicyCase> {};

TEST_P(LifecyclePolicy, DecidesWhatFollowsAnExit) {
  const auto [wanted, code, after] = GetParam();
  Lifecycle life = running(policy(wanted));
  EXPECT_EQ(life.ended(code, kNow), Action::none);
  EXPECT_EQ(life.status(), after);
  EXPECT_EQ(life.exitCode(), code);
  EXPECT_EQ(life.restarts(), after == Status::restarting ? 1U : 0U);
  EXPECT_EQ(life.idle(), after != Status::restarting);
}

INSTANTIATE_TEST_SUITE_P(All, LifecyclePolicy,
                         testing::Values(PolicyCase{RestartPolicy::never, 0, Status::stopped},
                                         PolicyCase{RestartPolicy::never, 1, Status::failed},
                                         PolicyCase{RestartPolicy::onFailure, 0, Status::stopped},
                                         PolicyCase{RestartPolicy::onFailure, 137, Status::restarting},
                                         PolicyCase{RestartPolicy::always, 0, Status::restarting},
                                         PolicyCase{RestartPolicy::always, 1, Status::restarting}));

TEST(Lifecycle, RestartsAfterTheDelayUntilExhausted) {
  Lifecycle life = running(policy(RestartPolicy::onFailure, 2));
  for (std::uint32_t round = 1; round <= 2; ++round) {
    EXPECT_EQ(life.ended(1, kNow), Action::none);
    EXPECT_EQ(life.restarts(), round);
    EXPECT_EQ(life.wake(), kNow + 1s);
    EXPECT_EQ(life.tick(kNow + 999ms), Action::none);
    EXPECT_EQ(life.tick(kNow + 1s), Action::start);
    EXPECT_FALSE(life.exitCode());
    life.launched();
  }
  EXPECT_EQ(life.ended(1, kNow), Action::none);
  EXPECT_EQ(life.status(), Status::failed);
  EXPECT_EQ(life.restarts(), 2U);
  EXPECT_EQ(life.restart(kNow), Action::start) << "the user starts anew";
  EXPECT_EQ(life.restarts(), 0U);
}

TEST(Lifecycle, ExhaustedAfterACleanExitIsStopped) {
  Lifecycle life = running(policy(RestartPolicy::always, 1));
  life.ended(0, kNow);
  EXPECT_EQ(life.tick(kNow + 1s), Action::start);
  life.launched();
  life.ended(0, kNow);
  EXPECT_EQ(life.status(), Status::stopped);
}

TEST(Lifecycle, StopTerminatesThenKillsAndNeverRestarts) {
  Lifecycle life = running(policy(RestartPolicy::always));
  EXPECT_EQ(life.stop(kNow), Action::terminate);
  EXPECT_EQ(life.stop(kNow + 1s), Action::none) << "a second stop does not begin again";
  EXPECT_EQ(life.wake(), kNow + 10s);
  EXPECT_EQ(life.tick(kNow + 10s), Action::kill);
  EXPECT_EQ(life.ended(137, kNow + 10s), Action::none);
  EXPECT_EQ(life.status(), Status::stopped);
  EXPECT_TRUE(life.idle());
  EXPECT_FALSE(life.wake());
}

TEST(Lifecycle, StopWhileItWaitsToRestart) {
  Lifecycle life = running(policy(RestartPolicy::always));
  life.ended(1, kNow);
  EXPECT_EQ(life.stop(kNow), Action::none);
  EXPECT_EQ(life.status(), Status::stopped);
  EXPECT_EQ(life.tick(kNow + 1h), Action::none);
}

TEST(Lifecycle, RestartOfALivingOne) {
  Lifecycle life = running(policy(RestartPolicy::never));
  EXPECT_EQ(life.restart(kNow), Action::terminate);
  EXPECT_EQ(life.status(), Status::restarting);
  EXPECT_EQ(life.ended(0, kNow), Action::start);
  life.launched();
  EXPECT_EQ(life.status(), Status::running);
  EXPECT_EQ(life.ended(0, kNow), Action::none) << "the policy decides again";
}

TEST(Lifecycle, TheLastWishCounts) {
  Lifecycle life = running({});
  life.restart(kNow);
  EXPECT_EQ(life.stop(kNow), Action::none);
  EXPECT_EQ(life.ended(0, kNow), Action::none);
  EXPECT_EQ(life.status(), Status::stopped);
}

TEST(Lifecycle, APortMakesItReady) {
  Lifecycle life = running({});
  life.portOpened(kNow);
  EXPECT_EQ(life.status(), Status::ready);
}

TEST(Lifecycle, WithAHealthCheckThePassMakesItReady) {
  LifecycleOptions options = policy(RestartPolicy::always);
  options.health = HealthTimes{2s, 5s};
  Lifecycle life = running(options);
  EXPECT_FALSE(life.wake());
  life.portOpened(kNow);
  EXPECT_EQ(life.status(), Status::running);
  EXPECT_EQ(life.wake(), kNow + 5s);
  EXPECT_EQ(life.tick(kNow + 5s), Action::check);
  EXPECT_EQ(life.tick(kNow + 50s), Action::none) << "one check at a time";
  life.checked(false, kNow + 6s);
  life.checked(false, kNow + 8s);
  EXPECT_EQ(life.failedChecks(), 2U);
  EXPECT_EQ(life.status(), Status::running);
  EXPECT_EQ(life.tick(kNow + 10s), Action::check);
  life.checked(true, kNow + 10s);
  EXPECT_EQ(life.status(), Status::ready);
  EXPECT_TRUE(life.healthy());
  EXPECT_EQ(life.failedChecks(), 0U);
  EXPECT_EQ(life.wake(), kNow + 12s);
  life.ended(1, kNow);
  EXPECT_FALSE(life.healthy());
  life.checked(true, kNow);
  EXPECT_FALSE(life.healthy()) << "it is gone";
}

TEST(Lifecycle, WhatCannotBeLaunchedFails) {
  Lifecycle life(policy(RestartPolicy::always));
  life.begin();
  life.launchFailed();
  EXPECT_EQ(life.status(), Status::failed);
  EXPECT_TRUE(life.idle());
}

}  // namespace
}  // namespace computesdk::sandboxd

// What goes wrong on the way to a vendor, the same at each: the right code, what to do, no secret, nothing left behind.
#include <harness/certificates.hpp>

#include "vendor.hpp"

namespace computesdk::vendor::test {
namespace {

using namespace std::chrono_literals;
using simulators::Certificates;
using testing::HasSubstr;
using testing::IsEmpty;

class EveryVendor : public VendorTest {
 protected:
  EveryVendor() : EveryVendor(simulators::ServerOptions{}) {}
  explicit EveryVendor(simulators::ServerOptions options)
      : VendorTest(theVendor().simulator(), {theVendor().secret}, std::move(options)) {}

  void SetUp() override { compute_.setConfig(configWith(url())); }
  /// Variables alone, as a user has them who has only exported something.
  [[nodiscard]] ComputeConfig configWith(const std::string& serviceUrl, const StringMap& more = {}) const {
    StringMap variables = more;
    variables.insert(theVendor().credentials.begin(), theVendor().credentials.end());
    for (const auto& [variable, behind] : theVendor().urls) variables[variable] = serviceUrl + behind;
    return configOf(theVendor().name, {}, std::move(variables));
  }
};

TEST_F(EveryVendor, ALimitOfTheAccountIsNoRateLimit) {
  fail({.path = theVendor().createPath,
        .method = "POST",
        .times = -1,
        .status = theVendor().quotaStatus,
        .body = theVendor().quotaBody});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::quota) << error.why;
  EXPECT_THAT(error.fix, HasSubstr("computesdk ls --provider " + theVendor().name));
  EXPECT_FALSE(error.retryable);
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(EveryVendor, AListThatBreaksOffIsNoShorterList) {
  const Sandbox sandbox = create();
  fail({.path = theVendor().listPath, .method = "GET", .resetAfter = 12});
  auto list = compute_.sandbox().list(nothrow);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::network) << list.error().why;
  expectNoSecret(list.error());
  EXPECT_EQ(compute_.sandbox().list().size(), 1U);
}

TEST_F(EveryVendor, AListThatIsNoneIsAProtocolError) {
  for (const std::string& body : {std::string(), std::string("<html>"), std::string("{}"), std::string("7"),
                                  std::string("[{\"id\":"), std::string(200000, '[')}) {
    fail({.path = theVendor().listPath, .method = "GET", .status = 200, .body = body});
    auto list = compute_.sandbox().list(nothrow);
    ASSERT_FALSE(list) << body.substr(0, 40);
    EXPECT_EQ(list.error().code, ErrorCode::protocol) << body.substr(0, 40) << list.error().why;
    expectNoSecret(list.error());
  }
}

TEST_F(EveryVendor, ASlowServiceIsATimeoutAndLeavesNothing) {
  fail({.path = theVendor().createPath, .method = "POST", .slowBytes = 1, .slowMs = 50});
  const ErrorInfo error = createError({.createTimeout = 300ms});
  EXPECT_EQ(error.code, ErrorCode::timeout) << error.why;
  EXPECT_TRUE(error.maybeApplied);
  EXPECT_TRUE(error.orphanGone);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(EveryVendor, NothingIsSentUnencryptedToAnotherMachine) {
  compute_.setConfig(configWith("http://192.0.2.1:9"));
  const ErrorInfo error = createError({.createTimeout = 20s});
  EXPECT_THAT(error.why, HasSubstr("not encrypted"));
  EXPECT_NE(error.code, ErrorCode::timeout);
  EXPECT_FALSE(error.maybeApplied);
}

class EveryVendorTls : public EveryVendor {
 protected:
  EveryVendorTls() : EveryVendor(served()) {}

  [[nodiscard]] ComputeConfig trusting() const {
    return configWith(url(), {{"COMPUTESDK_CA_FILE", certificates().authorityFile()}});
  }

 private:
  static Certificates& certificates() {
    static Certificates all;
    return all;
  }
  static simulators::ServerOptions served() {
    static const Certificates::Pair pair = certificates().make("localhost");
    return {.certificateFile = pair.certificateFile, .keyFile = pair.keyFile};
  }
};

TEST_F(EveryVendorTls, ACertificateByNobodyIsRefusedBeforeTheKeyIsSent) {
  ASSERT_THAT(url(), testing::StartsWith("https://"));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::tls) << error.why;
  EXPECT_THAT(error.why, HasSubstr("certificate"));
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(EveryVendorTls, AllOfItWorksByACertificateThatIsTrusted) {
  compute_.setConfig(trusting());
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand("echo out; echo err >&2; exit 3").exitCode, 3);
  sandbox.filesystem().writeFile("/tmp/f", "content");
  EXPECT_EQ(sandbox.filesystem().readFile("/tmp/f"), "content");
  sandbox.destroy();
  EXPECT_THAT(alive(), IsEmpty());
}

}  // namespace
}  // namespace computesdk::vendor::test

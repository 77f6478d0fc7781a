#pragma once

#include <vendor/vendor_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace computesdk::vendor::test {

/// What the tests that every vendor's provider has to pass must know of it.
struct Vendor {
  std::string name;
  std::function<std::unique_ptr<simulators::Simulator>()> simulator;
  std::string secret;
  StringMap credentials;  ///< variables that say who asks
  StringMap urls;         ///< variables that lead to the service, and what is behind its URL in them
  std::string createPath, listPath;
  int quotaStatus = 0;
  std::string quotaBody;               ///< how it says that the account's limit is reached
  std::string home;                    ///< host and port that are asked when nothing says otherwise
  std::vector<std::string> variables;  ///< all that its own client reads
};

/// Of the vendor whose tests this program has. Each defines it.
const Vendor& theVendor();

}  // namespace computesdk::vendor::test

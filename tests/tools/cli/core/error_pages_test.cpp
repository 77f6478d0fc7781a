#include "core/error_pages.hpp"

#include <gtest/gtest.h>

#include <string>

namespace computesdk::cli {
namespace {

TEST(ErrorPages, EveryCodeHasOne) {
  for (ErrorCode code : allErrorCodes()) {
    std::string page(errorPage(code));
    std::string title = "# " + std::string(codeName(code)) + "\n\n";
    EXPECT_TRUE(page.starts_with(title)) << codeName(code);
    EXPECT_NE(page.find("\n## Why\n"), std::string::npos) << codeName(code);
    EXPECT_NE(page.find("\n## What to do\n\n* "), std::string::npos) << codeName(code);
  }
}

}  // namespace
}  // namespace computesdk::cli

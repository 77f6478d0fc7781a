#include "core/table.hpp"

#include <gtest/gtest.h>

#include "core/progress.hpp"

namespace computesdk::cli {
namespace {

TEST(Table, LinesUp) {
  Table table({"NAME", "ID"});
  table.add({"ci/build", "sb_1"});
  table.add({"", "grün"});
  table.add({"\033[31mred", "x"});
  EXPECT_EQ(table.str(), "NAME         ID\nci/build     sb_1\n-            grün\n\\x1b[31mred  x\n");
}

TEST(ProgressBar, FitsEightyColumns) {
  EXPECT_EQ(progressBar("a", 0, 100), "a  [>                       ]  0B of 100B");
  EXPECT_EQ(progressBar("a", 100, 100), "a  [========================]  100B of 100B");
  EXPECT_EQ(progressBar("a", 5 << 20, 0), "a  5M");
  EXPECT_LE(progressBar(std::string(200, 'x'), std::int64_t{999} << 30, std::int64_t{999} << 30).size(), 82U);
}

}  // namespace
}  // namespace computesdk::cli

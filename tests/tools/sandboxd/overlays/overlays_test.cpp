#include "overlays/overlays.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <string>

#include "../files/temp_folder.hpp"
#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

using sandboxd_test::TempFolder;

OverlayInfo waitFor(Overlays& overlays, const std::string& id) {
  std::promise<OverlayInfo> done;
  overlays.whenDone(id, [&](const OverlayInfo& info) { done.set_value(info); });
  auto future = done.get_future();
  if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) return {};
  return future.get();
}

class OverlaysTest : public testing::Test {
 protected:
  void SetUp() override {
    root.folder("template/src");
    root.folder("work");
    root.write("template/src/main.c", "int main;");
    root.write("template/README", "read me");
    chmod(root.path("template/src/main.c").c_str(), 0754);
  }
  Result<OverlayInfo> create(OverlayStrategy strategy = OverlayStrategy::kSmart,
                             const std::vector<std::string>& ignore = {}) {
    return overlays.create({root.path("template"), "project", ignore, strategy});
  }

  TempFolder root;
  Overlays overlays{root.path("work")};
};

TEST_F(OverlaysTest, SmallFilesAreThereAtOnce) {
  for (const auto strategy : {OverlayStrategy::kSmart, OverlayStrategy::kCopy}) {
    const auto overlay = create(strategy);
    ASSERT_TRUE(overlay) << overlay.error().what;
    EXPECT_EQ(overlay->statusText(), "complete") << overlay->error;
    EXPECT_EQ(root.read("work/project/src/main.c"), "int main;");
    EXPECT_EQ(root.info("work/project/src/main.c").st_mode & 0777, 0754U);
    EXPECT_EQ(overlay->copiedFiles, 2U);
    EXPECT_EQ(overlay->copiedDirs, 1U);
    std::filesystem::remove_all(root.path("work/project"));
  }
}

TEST_F(OverlaysTest, WritesInTheTargetNeverReachTheSource) {
  ASSERT_TRUE(create());
  std::ofstream(root.path("work/project/README"), std::ios::app) << " changed";
  EXPECT_EQ(root.read("template/README"), "read me");
  EXPECT_NE(root.info("work/project/README").st_ino, root.info("template/README").st_ino);
}

TEST_F(OverlaysTest, HeavyFoldersComeInTheBackground) {
  root.folder("template/node_modules/x");
  for (int i = 0; i < 50; ++i) root.write("template/node_modules/x/f" + std::to_string(i), "x");
  const auto overlay = create();
  ASSERT_TRUE(overlay);
  EXPECT_EQ(overlay->statusText(), "pending");
  EXPECT_TRUE(root.has("work/project/README"));
  const OverlayInfo done = waitFor(overlays, overlay->id);
  EXPECT_EQ(done.statusText(), "complete") << done.error;
  EXPECT_EQ(done.copiedFiles, 52U);
  EXPECT_EQ(done.copiedDirs, 3U);
  EXPECT_EQ(root.read("work/project/node_modules/x/f49"), "x");
  EXPECT_EQ(overlays.find(overlay->id)->statusText(), "complete");
}

TEST_F(OverlaysTest, LeavesOutWhatItIsToldAndWhatIsSpecial) {
  root.folder("template/.git");
  root.write("template/.git/config", "x");
  root.write("template/a.log", "x");
  root.folder("template/node_modules");
  ASSERT_EQ(mkfifo(root.path("template/fifo").c_str(), 0600), 0);
  const auto overlay = create(OverlayStrategy::kSmart, {"*.log", "node_modules"});
  ASSERT_TRUE(overlay);
  EXPECT_EQ(overlay->statusText(), "complete");
  EXPECT_EQ(overlay->skipped, (std::vector<std::string>{".git", "a.log", "fifo", "node_modules"}));
  EXPECT_FALSE(root.has("work/project/.git"));
  EXPECT_FALSE(root.has("work/project/fifo"));
}

TEST_F(OverlaysTest, WhatIsInTheTargetStays) {
  root.folder("work/project");
  root.write("work/project/README", "mine");
  root.folder("elsewhere");
  ASSERT_EQ(symlink(root.path("elsewhere").c_str(), root.path("work/project/src").c_str()), 0);
  const auto overlay = create();
  ASSERT_TRUE(overlay);
  EXPECT_EQ(root.read("work/project/README"), "mine");
  EXPECT_FALSE(root.has("elsewhere/main.c"));  // nothing is written through a link
  EXPECT_EQ(overlay->skipped, (std::vector<std::string>{"README", "src"}));
}

TEST_F(OverlaysTest, LinksIntoTheSourceAreTurnedToTheCopy) {
  root.folder("template/bin");
  const auto link = [&](const std::string& to, const std::string& name) {
    ASSERT_EQ(symlink(to.c_str(), root.path("template/bin/" + name).c_str()), 0);
  };
  link("../src/main.c", "inside");
  link(root.path("template/src/main.c"), "absolute");
  link("../../template/README", "roundabout");
  link(root.path("template"), "root");
  link(root.path("template/none"), "broken");
  link("/usr/bin/env", "outside");
  ASSERT_TRUE(create());
  const auto text = [&](const std::string& name) {
    return std::filesystem::read_symlink(root.path("work/project/bin/" + name)).string();
  };
  EXPECT_EQ(text("inside"), "../src/main.c");
  EXPECT_EQ(text("absolute"), "../src/main.c");
  EXPECT_EQ(text("roundabout"), "../README");
  EXPECT_EQ(text("root"), "../.");
  EXPECT_EQ(text("broken"), "../none");
  EXPECT_EQ(text("outside"), "/usr/bin/env");
  std::ofstream(root.path("work/project/bin/absolute")) << "written";
  EXPECT_EQ(root.read("template/src/main.c"), "int main;");
}

TEST_F(OverlaysTest, FoldersThatMayNotBeWrittenKeepTheirMode) {
  ASSERT_EQ(chmod(root.path("template/src").c_str(), 0555), 0);
  ASSERT_TRUE(create());
  EXPECT_EQ(root.info("work/project/src").st_mode & 0777, 0555U);
  EXPECT_TRUE(root.has("work/project/src/main.c"));
  chmod(root.path("template/src").c_str(), 0755);
  chmod(root.path("work/project/src").c_str(), 0755);
}

TEST_F(OverlaysTest, ASourceBelowTheTargetIsNotCopiedIntoItself) {
  Overlays here(root.path());
  root.folder("template/template");
  root.write("template/template/inner", "x");
  const auto overlay = here.create({root.path("template"), ".", {}, OverlayStrategy::kSmart});
  ASSERT_TRUE(overlay);
  EXPECT_EQ(root.read("src/main.c"), "int main;");
  EXPECT_FALSE(root.has("template/inner"));
}

TEST_F(OverlaysTest, RefusesWhatCannotBe) {
  EXPECT_EQ(overlays.create({root.path("none"), "p", {}, {}}).error().code, ErrorCode::invalidArgument);
  Overlays here(root.path());
  EXPECT_FALSE(here.create({root.path("template"), "template/p", {}, {}}));
  EXPECT_FALSE(root.has("template/p"));
  ASSERT_EQ(symlink("../template", root.path("work/alias").c_str()), 0);
  EXPECT_FALSE(overlays.create({root.path("template"), "alias/p", {}, {}}));
  EXPECT_FALSE(root.has("template/p"));
  for (const char* json : {R"({"target":"p"})", R"({"source":"rel","target":"p"})", R"({"source":"/a","target":"/p"})",
                           R"({"source":"/a","target":"a/../../p"})", R"({"source":"/a","target":""})",
                           R"({"source":"/a","target":"p","strategy":"magic"})"}) {
    EXPECT_FALSE(overlayOptionsOf(*parseJson(json))) << json;
  }
}

TEST_F(OverlaysTest, RemovedIsForgottenAndFilesStay) {
  const auto overlay = create();
  ASSERT_TRUE(overlay);
  EXPECT_TRUE(overlays.remove(overlay->id));
  EXPECT_FALSE(overlays.remove(overlay->id));
  EXPECT_FALSE(overlays.find(overlay->id));
  EXPECT_TRUE(root.has("work/project/README"));
  EXPECT_EQ(waitFor(overlays, overlay->id).statusText(), "failed");
}

TEST_F(OverlaysTest, StoppingTellsWhoWaits) {
  root.folder("template/node_modules");
  for (int i = 0; i < 300; ++i) root.write("template/node_modules/f" + std::to_string(i), "x");
  const auto overlay = create();
  ASSERT_TRUE(overlay);
  std::promise<OverlayInfo> done;
  overlays.whenDone(overlay->id, [&](const OverlayInfo& info) { done.set_value(info); });
  overlays.stop();
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(future.get().done());
  EXPECT_FALSE(create());
}

TEST_F(OverlaysTest, AsTheClientReadsIt) {
  const auto overlay = create();
  ASSERT_TRUE(overlay);
  const auto json = parseJson(overlay->json());
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["stats"]["copied_files"].GetInt(), 2);
  EXPECT_TRUE((*json)["stats"]["skipped"].IsArray());
  EXPECT_STREQ((*json)["copy_status"].GetString(), "complete");
  EXPECT_STREQ((*json)["target"].GetString(), "project");
  EXPECT_FALSE(json->HasMember("copy_error"));
}

}  // namespace
}  // namespace computesdk::sandboxd

#include "watchers/tree_watch.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../files/temp_folder.hpp"
#include "files/atomic_file.hpp"

namespace computesdk::sandboxd {
namespace {

using sandboxd_test::TempFolder;
using Events = std::vector<std::string>;
using Clock = TreeWatch::Clock;

// Drives a watch as the daemon does: waits for the kernel and for quiet, never for a length of time of its own.
class Driver {
 public:
  explicit Driver(const std::string& path, const std::vector<std::string>& ignored = {}, WatchLimits limits = {}) {
    std::string bad;
    auto opened = TreeWatch::open(path, std::move(*GlobSet::parse(ignored, bad)), limits);
    if (opened) watch_ = std::move(*opened);
  }
  [[nodiscard]] TreeWatch& watch() { return *watch_; }
  [[nodiscard]] bool open() const { return watch_ != nullptr; }

  // What is told until all of `expected` have been told and nothing is left to look at. Ends at a deadline.
  Events until(const Events& expected, bool polled = false) {
    Events events;
    const auto told = [&](const std::string& event) {
      return std::find(events.begin(), events.end(), event) != events.end();
    };
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (Clock::now() < end) {
      if ((polled || !watch_->due()) && std::all_of(expected.begin(), expected.end(), told)) return events;
      const auto wake = std::min(watch_->due().value_or(end), end);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now());
      pollfd ready{watch_->descriptor(), POLLIN, 0};
      poll(&ready, 1, static_cast<int>(std::max<long>(left.count(), 0)));
      watch_->readEvents(Clock::now());
      watch_->settle(Clock::now(), [&](const FileEvent& event) {
        events.push_back(std::string(nameOf(event.kind)) + " " + event.path);
      });
    }
    events.push_back("deadline");
    return events;
  }
  Events until(const std::string& event) { return until(Events{event}); }
  // The same for a watch that polls, and so always has something left to look at.
  Events untilFirst(const std::string& event) { return until(Events{event}, true); }

 private:
  std::unique_ptr<TreeWatch> watch_;
};

TEST(TreeWatch, WhatIsThereIsNotTold) {
  const TempFolder folder;
  folder.write("old", "x");
  folder.folder("sub");
  folder.write("sub/old", "x");
  Driver driver(folder.path());
  folder.write("new", "x");
  EXPECT_EQ(driver.until("add new"), Events{"add new"});
}

TEST(TreeWatch, CreateAndWriteIsOneAdd) {
  const TempFolder folder;
  Driver driver(folder.path());
  FILE* file = fopen(folder.path("f").c_str(), "w");
  for (int i = 0; i < 100; ++i) {
    fputs("line\n", file);
    fflush(file);
  }
  fclose(file);
  EXPECT_EQ(driver.until("add f"), Events{"add f"});
  folder.write("f", "changed");
  EXPECT_EQ(driver.until("change f"), Events{"change f"});
  ASSERT_EQ(unlink(folder.path("f").c_str()), 0);
  EXPECT_EQ(driver.until("unlink f"), Events{"unlink f"});
}

TEST(TreeWatch, NewFoldersAreWatchedWithWhatIsInThem) {
  const TempFolder folder;
  Driver driver(folder.path());
  folder.folder("a/b/c");
  folder.write("a/b/c/f", "x");
  EXPECT_EQ(driver.until("add a/b/c/f"), (Events{"addDir a", "addDir a/b", "addDir a/b/c", "add a/b/c/f"}));
  folder.write("a/b/c/g", "x");
  EXPECT_EQ(driver.until("add a/b/c/g"), Events{"add a/b/c/g"});
  std::filesystem::remove_all(folder.path("a"));
  EXPECT_EQ(driver.until("unlinkDir a"),
            (Events{"unlink a/b/c/g", "unlink a/b/c/f", "unlinkDir a/b/c", "unlinkDir a/b", "unlinkDir a"}));
}

TEST(TreeWatch, RenameOverAFileIsAChange) {
  const TempFolder folder;
  folder.write("f", "old");
  Driver driver(folder.path());
  folder.write("f.new", "new");
  ASSERT_EQ(rename(folder.path("f.new").c_str(), folder.path("f").c_str()), 0);
  EXPECT_EQ(driver.until("change f"), Events{"change f"});
  ASSERT_TRUE(writeFile(folder.path("f"), "by our own hand"));
  EXPECT_EQ(driver.until("change f"), Events{"change f"});
}

TEST(TreeWatch, AMoveIsTheOldPathsEndAndTheNewOnesBeginning) {
  const TempFolder folder;
  folder.folder("from/deep");
  folder.write("from/deep/f", "x");
  Driver driver(folder.path());
  ASSERT_EQ(rename(folder.path("from").c_str(), folder.path("to").c_str()), 0);
  EXPECT_EQ(driver.until("add to/deep/f"), (Events{"unlink from/deep/f", "unlinkDir from/deep", "unlinkDir from",
                                                   "addDir to", "addDir to/deep", "add to/deep/f"}));
  // The watches went along.
  folder.write("to/deep/g", "x");
  EXPECT_EQ(driver.until("add to/deep/g"), Events{"add to/deep/g"});
  ASSERT_EQ(rename(folder.path("to/deep/g").c_str(), folder.path("g").c_str()), 0);
  EXPECT_EQ(driver.until("unlink to/deep/g"), (Events{"add g", "unlink to/deep/g"}));
}

TEST(TreeWatch, WhatLeavesTheTreeIsNotFollowed) {
  const TempFolder folder, elsewhere;
  folder.folder("d");
  folder.write("d/f", "x");
  Driver driver(folder.path());
  ASSERT_EQ(rename(folder.path("d").c_str(), elsewhere.path("d").c_str()), 0);
  elsewhere.write("d/g", "x");
  folder.write("mark", "x");
  EXPECT_EQ(driver.until("add mark"), (Events{"unlink d/f", "unlinkDir d", "add mark"}));
}

TEST(TreeWatch, IgnoredPathsAreNeitherToldNorEntered) {
  const TempFolder folder;
  Driver driver(folder.path(), {"node_modules", "*.log", "build/out"});
  folder.folder("node_modules/x");
  folder.write("node_modules/x/f", "x");
  folder.write("a.log", "x");
  folder.folder("build/out");
  folder.write("build/out/f", "x");
  folder.write("build/kept", "x");
  EXPECT_EQ(driver.until("add build/kept"), (Events{"addDir build", "add build/kept"}));
}

TEST(TreeWatch, ASingleFile) {
  const TempFolder folder;
  folder.write("f", "1");
  Driver driver(folder.path("f"));
  folder.write("other", "x");
  folder.write("f", "22");
  EXPECT_EQ(driver.until("change "), Events{"change "});
  ASSERT_TRUE(writeFile(folder.path("f"), "333"));
  EXPECT_EQ(driver.until("change "), Events{"change "});
  folder.write("f", "4444");  // the new one is watched
  EXPECT_EQ(driver.until("change "), Events{"change "});
  ASSERT_EQ(unlink(folder.path("f").c_str()), 0);
  EXPECT_EQ(driver.until("unlink "), Events{"unlink "});
  folder.write("f", "back");
  EXPECT_EQ(driver.until("add "), Events{"add "});
}

TEST(TreeWatch, TheWatchedFolderMayGoAndComeBack) {
  const TempFolder folder;
  folder.folder("root/sub");
  Driver driver(folder.path("root"));
  std::filesystem::remove_all(folder.path("root"));
  EXPECT_EQ(driver.until("unlinkDir "), (Events{"unlinkDir sub", "unlinkDir "}));
  folder.folder("root");
  folder.write("root/f", "x");
  EXPECT_EQ(driver.until("add f"), (Events{"addDir ", "add f"}));
}

TEST(TreeWatch, ThroughALinkToTheRoot) {
  const TempFolder folder;
  folder.folder("real");
  ASSERT_EQ(symlink("real", folder.path("link").c_str()), 0);
  Driver driver(folder.path("link"));
  folder.write("real/f", "x");
  EXPECT_EQ(driver.until("add f"), Events{"add f"});
  ASSERT_EQ(symlink(".", folder.path("real/loop").c_str()), 0);
  EXPECT_EQ(driver.until("add loop"), Events{"add loop"});
}

TEST(TreeWatch, AnOverflowOfTheKernelsQueueLosesNothing) {
  const TempFolder folder;
  folder.folder("sub");
  folder.write("old", "x");
  Driver driver(folder.path());
  // More than fs.inotify.max_queued_events, which nobody reads meanwhile.
  for (int i = 0; i < 9000; ++i) {
    folder.write("sub/f" + std::to_string(i), "x");
    if (i % 2 != 0) unlink(folder.path("sub/f" + std::to_string(i)).c_str());
  }
  ASSERT_EQ(unlink(folder.path("old").c_str()), 0);
  folder.folder("new");
  folder.write("new/z", "x");
  Events events = driver.until(Events{"unlink old", "add sub/f8998", "add new/z"});
  std::sort(events.begin(), events.end());
  EXPECT_EQ(events.size(), 4500U + 3U);
  EXPECT_EQ(std::unique(events.begin(), events.end()), events.end());
  EXPECT_TRUE(std::binary_search(events.begin(), events.end(), "add new/z"));
  folder.write("sub/after", "x");
  EXPECT_EQ(driver.until("add sub/after"), Events{"add sub/after"});
}

TEST(TreeWatch, FoldersWithoutAWatchArePolled) {
  const TempFolder folder;
  folder.folder("a/b");
  WatchLimits limits;
  limits.folders = 1;
  limits.poll = std::chrono::milliseconds(20);
  Driver driver(folder.path(), {}, limits);
  folder.write("a/b/f", "x");
  EXPECT_EQ(driver.untilFirst("add a/b/f"), Events{"add a/b/f"});
}

TEST(TreeWatch, TooMuchIsRefused) {
  const TempFolder folder;
  for (int i = 0; i < 20; ++i) folder.write("f" + std::to_string(i), "x");
  WatchLimits limits;
  limits.entries = 10;
  const auto watch = TreeWatch::open(folder.path(), {}, limits);
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code, ErrorCode::outOfRange);
  EXPECT_EQ(TreeWatch::open(folder.path("none"), {}).error().what, "File not found: " + folder.path("none"));
}

TEST(TreeWatch, AStormOfChangesEndsInWhatIsThere) {
  const TempFolder folder;
  Driver driver(folder.path());
  std::thread storm([&] {
    for (int round = 0; round < 200; ++round) {
      const std::string name = "d" + std::to_string(round % 7);
      folder.folder(name + "/in");
      folder.write(name + "/in/f", std::to_string(round));
      if (round % 3 == 0) std::filesystem::rename(folder.path(name), folder.path("moved"));
      std::filesystem::remove_all(folder.path(round % 3 == 0 ? "moved" : "d" + std::to_string((round + 1) % 7)));
    }
    folder.write("end", "x");
  });
  Events events = driver.until("add end");
  storm.join();
  std::vector<std::string> known;
  for (const std::string& event : events) {
    const std::string path = event.substr(event.find(' ') + 1);
    const bool adds = event.starts_with("add");
    const auto at = std::find(known.begin(), known.end(), path);
    if (adds) {
      EXPECT_EQ(at, known.end()) << event;
      known.push_back(path);
    } else if (event.starts_with("unlink")) {
      ASSERT_NE(at, known.end()) << event;
      known.erase(at);
    }
  }
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    there.push_back(entry.path().string().substr(folder.path().size() + 1));
  }
  std::sort(known.begin(), known.end());
  std::sort(there.begin(), there.end());
  EXPECT_EQ(known, there);
}

}  // namespace
}  // namespace computesdk::sandboxd

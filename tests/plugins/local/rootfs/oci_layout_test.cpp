#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rootfs/template_source.hpp>
#include <thread>

#include "image_builder.hpp"

namespace computesdk::local::rootfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kGzip = "application/vnd.oci.image.layer.v1.tar+gzip";

class OciLayout : public ::testing::Test {
 protected:
  Result<OciImage> open(std::string_view reference = {}, const UnpackLimits& limits = {}) {
    return openOciLayout(layoutFolder.path(), reference, cache.path() + "/cache", limits);
  }
  void expectEmptyCache() {
    if (::access((cache.path() + "/cache").c_str(), F_OK) != 0) return;
    for (const std::string& entry : treeOf(cache.path() + "/cache")) EXPECT_EQ(entry, "sha256");
  }
  std::string layer() { return TarBuilder().folder("bin").file("bin/sh", "x", 0755).done(); }

  TempFolder layoutFolder, cache;
  LayoutBuilder layout{layoutFolder};
};

TEST_F(OciLayout, UnpacksLayersInOrderOnce) {
  layout.single(
      {{gzip(TarBuilder().file("bin/sh", "one", 0755).file("old", "1").done()), kGzip},
       {TarBuilder().file("bin/sh", "two", 0755).file(".wh.old", "").done()}},
      R"({"config":{"Env":["A=b"],"Entrypoint":["/bin/sh"],"Cmd":["-c","x"],"WorkingDir":"/srv","User":"7"}})");
  const auto image = open();
  ASSERT_TRUE(image.ok()) << image.error().message;
  EXPECT_EQ(contentOf(image->root + "/bin/sh"), "two");
  EXPECT_THAT(treeOf(image->root), ElementsAre("bin", "bin/sh"));
  EXPECT_THAT(image->env, ElementsAre("A=b"));
  EXPECT_THAT(image->command, ElementsAre("/bin/sh", "-c", "x"));
  EXPECT_EQ(image->workdir, "/srv");
  EXPECT_EQ(image->user, "7");
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(image->root.c_str(), &before), 0);
  const auto again = open("latest");
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(::stat(again->root.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(OciLayout, RacersGetTheSameTree) {
  layout.single({{gzip(layer()), kGzip}});
  std::vector<std::thread> threads;
  std::vector<std::string> roots(8);
  for (std::string& root : roots) {
    threads.emplace_back([&] {
      const auto image = open();
      root = image.ok() ? image->root : image.error().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& root : roots) EXPECT_EQ(root, roots[0]);
  EXPECT_EQ(contentOf(roots[0] + "/bin/sh"), "x");
  for (const std::string& entry : treeOf(cache.path() + "/cache"))
    EXPECT_EQ(entry.rfind("staging-", 0), std::string::npos);
}

TEST_F(OciLayout, WrongDigestsAndSizesAreRefusedAndNothingStays) {
  const std::string digest = layout.blob(layer());
  layout.single({{layer()}});
  layoutFolder.write("blobs/sha256/" + digest, TarBuilder().folder("bin").file("bin/sh", "y", 0755).done());
  auto image = open();
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().kind, ErrorClass::kInvalidArgument);
  EXPECT_THAT(image.error().message, HasSubstr("does not match its digest"));
  expectEmptyCache();
  layoutFolder.write("blobs/sha256/" + digest, layer() + "more");
  image = open();
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message, HasSubstr("not as long"));
  expectEmptyCache();
  ::unlink((layoutFolder.path() + "/blobs/sha256/" + digest).c_str());
  EXPECT_EQ(open().error().kind, ErrorClass::kNotFound);
  ASSERT_EQ(::symlink("/etc/passwd", (layoutFolder.path() + "/blobs/sha256/" + digest).c_str()), 0);
  EXPECT_FALSE(open().ok());
  expectEmptyCache();
}

TEST_F(OciLayout, AHostileLayerLeavesNothing) {
  layout.single({{layer()}, {TarBuilder().file("../x", "evil").done()}});
  EXPECT_EQ(open().error().kind, ErrorClass::kInvalidArgument);
  expectEmptyCache();
}

TEST_F(OciLayout, LimitsHold) {
  layout.single({{gzip(TarBuilder().file("zeros", std::string(1U << 20, '\0')).done()), kGzip}, {layer()}});
  UnpackLimits limits;
  limits.bytes = 1000;
  EXPECT_EQ(open({}, limits).error().kind, ErrorClass::kResourceExhausted);
  limits = {};
  limits.layers = 1;
  EXPECT_EQ(open({}, limits).error().kind, ErrorClass::kResourceExhausted);
  limits = {};
  limits.archiveBytes = 100;
  EXPECT_EQ(open({}, limits).error().kind, ErrorClass::kResourceExhausted);
  limits = {};
  limits.files = 1;
  EXPECT_EQ(open({}, limits).error().kind, ErrorClass::kResourceExhausted);
  expectEmptyCache();
}

TEST_F(OciLayout, ChoosesByNameAndByPlatform) {
  const std::string one = layout.image({{TarBuilder().file("bin/sh", "one").done()}});
  const std::string two = layout.image({{TarBuilder().file("bin/sh", "two").done()}});
  layout.index({{"v1", one}, {"v2", two}});
  EXPECT_EQ(contentOf(open("v2").value().root + "/bin/sh"), "two");
  const auto none = open("v3");
  EXPECT_EQ(none.error().kind, ErrorClass::kNotFound);
  EXPECT_THAT(none.error().why, HasSubstr("v1, v2"));
  EXPECT_THAT(open().error().message, HasSubstr("name one of: v1, v2"));

  const auto entry = [&](const std::string& digest, const char* architecture) {
    return "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:" + digest +
           "\",\"size\":" + std::to_string(layout.sizeOf(digest)) +
           ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" + architecture + "\"}}";
  };
  const std::string nested = layout.blob("{\"manifests\":[" + entry(one, "arm64") + "," + entry(two, "amd64") + "]}");
  layoutFolder.write("index.json",
                     "{\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"digest\":\"sha256:" +
                         nested + "\",\"size\":" + std::to_string(layout.sizeOf(nested)) + "}]}");
  EXPECT_EQ(contentOf(open().value().root + "/bin/sh"), "two");
}

TEST_F(OciLayout, KindsThatAreNotSupportedAreNamed) {
  layout.single({{layer(), "application/vnd.oci.image.layer.v1.tar+zstd"}});
  const auto zstd = open();
  EXPECT_EQ(zstd.error().kind, ErrorClass::kUnimplemented);
  EXPECT_THAT(zstd.error().fix, HasSubstr("gzip"));
  layout.single({{layer(), "text/plain"}});
  EXPECT_EQ(open().error().kind, ErrorClass::kUnimplemented);
}

TEST_F(OciLayout, NonsenseIsRefused) {
  const std::string zeros(64, '0');
  const std::string indexes[] = {"",
                                 "[]",
                                 "{}",
                                 "{\"manifests\":[]}",
                                 "{\"manifests\":[1]}",
                                 "{\"manifests\":[{}]}",
                                 "{\"manifests\":[{\"digest\":\"md5:0\",\"size\":1}]}",
                                 "{\"manifests\":[{\"digest\":\"sha256:../../../../etc/passwd\",\"size\":1}]}",
                                 R"({"manifests":[{"digest":"sha256:)" + zeros + R"(","size":-1}]})"};
  for (const std::string& index : indexes) {
    layoutFolder.write("index.json", index);
    EXPECT_FALSE(open().ok()) << index;
  }
  layoutFolder.write("index.json", "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}");
  EXPECT_EQ(open().error().kind, ErrorClass::kInvalidArgument);
  layoutFolder.write("oci-layout", "{\"imageLayoutVersion\":\"9\"}");
  EXPECT_FALSE(open().ok());
  expectEmptyCache();
}

}  // namespace
}  // namespace computesdk::local::rootfs

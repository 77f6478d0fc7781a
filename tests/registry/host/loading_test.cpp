// Libraries that cannot be loaded, each with its own reason.
#include "support_host.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace computesdk::registry {
namespace {

namespace fs = std::filesystem;

struct Refusal {
  const char* library;
  const char* reason;  ///< part of `why`
};

class Refused : public ::testing::TestWithParam<Refusal> {};
INSTANTIATE_TEST_SUITE_P(Libraries, Refused,
                         ::testing::Values(Refusal{"no_entry", "does not export csdk_plugin_entry_v1"},
                                           Refusal{"major_2", "built for ABI major 2, this host speaks major 1"},
                                           Refusal{"draft", "built for ABI draft 77, this host speaks draft 1"},
                                           Refusal{"refuses", "the plug-in refused: not on a Saturday"},
                                           Refusal{"wrong_name", "calls itself 'other', its manifest 'fake'"},
                                           Refusal{"no_open", "its table has no provider_open"},
                                           Refusal{"undefined", "undefined symbol: registry_fake_is_nowhere"},
                                           Refusal{"needs", "libnowhere.so: cannot open shared object file"},
                                           Refusal{"absent", ""}),
                         [](const auto& info) { return info.param.library; });

TEST_P(Refused, InProcess) {
  const auto opened = openFake({.mode = Mode::pooled, .library = GetParam().library});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::pluginLoad);
  EXPECT_EQ(opened.error().what, "cannot load provider 'fake'");
  EXPECT_NE(opened.error().why.find(GetParam().reason), std::string::npos) << opened.error().why;
  EXPECT_EQ(opened.error().why.find("boost"), std::string::npos) << opened.error().why;
  EXPECT_FALSE(opened.error().fix.empty());
}

TEST_P(Refused, Isolated) {
  const auto opened = openFake({.mode = Mode::isolated, .library = GetParam().library});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::pluginLoad);
  EXPECT_NE(opened.error().why.find(GetParam().reason), std::string::npos) << opened.error().why;
}

TEST(Loading, AMissingLibraryIsNamedInTheFix) {
  for (Mode mode : {Mode::pooled, Mode::isolated}) {
    const auto opened = openFake({.mode = mode, .library = "needs"});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fix, "install what brings libnowhere.so: apt-file search libnowhere.so");
  }
}

TEST(Loading, ACrashKillsTheOtherProcessOnly) {
  for (const char* library : {"crashes", "throws"}) {
    const auto opened = openFake({.mode = Mode::isolated, .library = library});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::pluginLoad);
    EXPECT_NE(opened.error().why.find("its process"), std::string::npos) << opened.error().why;
    const auto manifest = fakeManifest({.library = library});
    const auto probed = probeLibrary(*manifest, {manifest->library, -1, false}, {});
    ASSERT_FALSE(probed);
    EXPECT_NE(probed.error().why.find("while loading it"), std::string::npos) << probed.error().why;
  }
}

TEST(Loading, AProbeOfAGoodLibrarySucceeds) {
  const auto manifest = fakeManifest({});
  const auto probed = probeLibrary(*manifest, {manifest->library, -1, false}, {});
  EXPECT_TRUE(probed) << formatError(probed.error());
}

TEST(Loading, AMissingPluginHostIsAClearError) {
  const auto manifest = fakeManifest({});
  HostHooks hooks;
  hooks.pluginHost = "/nonexistent/computesdk-plugin-host";
  const auto probed = probeLibrary(*manifest, {manifest->library, -1, false}, hooks);
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().why.find("could not be started"), std::string::npos) << probed.error().why;
}

/// A damaged copy of the good library.
class Damaged : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (fs::temp_directory_path() / "csdk-damaged-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    manifest_ = fakeManifest({});
    fs::copy_file(manifest_->library, folder_ / "copy.so");
    manifest_->library = folder_ / "copy.so";
  }
  void TearDown() override { fs::remove_all(folder_); }
  Result<void> probe() { return probeLibrary(*manifest_, {manifest_->library, -1, false}, {}); }

  fs::path folder_;
  std::shared_ptr<Manifest> manifest_;
};

TEST_F(Damaged, TruncatedFileIsAnError) {
  fs::resize_file(manifest_->library, 9000);
  const auto probed = probe();
  ASSERT_FALSE(probed);
  EXPECT_EQ(probed.error().code, ErrorCode::pluginLoad);
}

TEST_F(Damaged, WrongMachineIsAnError) {
  std::fstream file(manifest_->library, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(18);  // e_machine
  const char sparc[] = {2, 0};
  file.write(sparc, sizeof sparc);
  file.close();
  const auto probed = probe();
  ASSERT_FALSE(probed);
  EXPECT_FALSE(probed.error().why.empty());
  const auto loaded = loadInProcess(*manifest_, {manifest_->library, -1, false});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::pluginLoad);
}

TEST_F(Damaged, AReplacedFileIsNoticed) {
  const int fd = ::open(manifest_->library.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  fs::rename(manifest_->library, folder_ / "old.so");
  fs::copy_file(folder_ / "old.so", manifest_->library);
  const auto byPath = loadInProcess(*manifest_, {manifest_->library, fd, true});
  ASSERT_FALSE(byPath);
  EXPECT_NE(byPath.error().why.find("was replaced"), std::string::npos);
  // By the descriptor it is the checked file that is loaded, whatever the path says now.
  fs::remove(manifest_->library);
  const auto byDescriptor = loadInProcess(*manifest_, {manifest_->library, fd, false});
  EXPECT_TRUE(byDescriptor) << formatError(byDescriptor.error());
  ::close(fd);
}

TEST_F(Damaged, TheIsolatedProcessGetsTheCheckedFile) {
  const int fd = ::open(manifest_->library.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  fs::remove(manifest_->library);
  const auto opened = openIsolated(manifest_, {manifest_->library, fd, false}, {}, {});
  ::close(fd);
  ASSERT_TRUE(opened) << formatError(opened.error());
  EXPECT_TRUE(runFake(**opened, {"null"}).exit);
}

TEST(Loading, OnceForAFile) {
  const auto manifest = fakeManifest({});
  const LibraryFile library{manifest->library, -1, false};
  const auto first = loadInProcess(*manifest, library);
  const auto second = loadInProcess(*manifest, library);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
}

TEST(Loading, AShortTableIsMadeWhole) {
  for (Mode mode : {Mode::pooled, Mode::isolated}) {
    const auto provider = mustOpen({.mode = mode, .library = "short_table"});
    ASSERT_NE(provider, nullptr);
    EXPECT_TRUE(provider->features().destroy);
    EXPECT_FALSE(provider->features().url);
    EXPECT_FALSE(provider->features().exec);
    EXPECT_FALSE(provider->features().process);
    const Ran ran = runFake(*provider, {"null"});
    ASSERT_FALSE(ran.exit);
    EXPECT_EQ(ran.exit.error().what, "Provider 'fake' does not support runCommand.");
  }
}

}  // namespace
}  // namespace computesdk::registry

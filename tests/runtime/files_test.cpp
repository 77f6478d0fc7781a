#include "fakes.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace computesdk::test {
namespace {

using ::testing::HasSubstr;

std::string randomBytes(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Files through commands, on the real tools of this machine.
class EmulatedFiles : public ::testing::Test {
 protected:
  std::string at(const std::string& name) { return (folder.path() / name).string(); }
  template <typename T>
  static ErrorCode codeOf(const Result<T>& result) {
    return result ? ErrorCode::internal : result.error().code;
  }
  TempFolder folder;
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  Filesystem files = sandbox.filesystem();
};

TEST_F(EmulatedFiles, KeepEveryByte) {
  for (std::size_t size : {0u, 1u, 2u, 3u, 57u, 76u, 4096u, 65537u, 3000001u}) {
    const std::string content = randomBytes(size);
    files.writeFile(at("f"), content);
    EXPECT_EQ(files.readFile(at("f")), content) << size;
  }
  const std::string content = randomBytes(1000);
  files.writeFile(at("f"), content);
  EXPECT_EQ(files.readFile(at("f"), {.offset = 10, .length = 20}), content.substr(10, 20));
  EXPECT_EQ(files.readFile(at("f"), {.offset = 990}), content.substr(990));
  EXPECT_EQ(files.readFileBytes(at("f")).size(), 1000u);
}

TEST_F(EmulatedFiles, TakeEveryName) {
  const std::vector<std::string> names = {"a b", "-rf",  "$(touch x)", "`x`", "\"",   "'", "\\",
                                          "*",   "n\nl", ".hidden",    "..x", "\xff", "é", "&& false"};
  for (const std::string& name : names) {
    files.writeFile(at("d/" + name), name);
    EXPECT_EQ(files.readFile(at("d/" + name)), name);
    EXPECT_TRUE(files.exists(at("d/" + name)));
  }
  auto entries = files.readdir(at("d"));
  ASSERT_EQ(entries.size(), names.size());
  EXPECT_TRUE(std::ranges::is_sorted(entries, {}, &FileEntry::name));
  for (const FileEntry& entry : entries) {
    EXPECT_EQ(entry.type, EntryType::file);
    EXPECT_EQ(entry.size, static_cast<std::int64_t>(entry.name.size()));
    EXPECT_EQ(files.readFile(entry.path), entry.name);
    files.remove(entry.path);
  }
  EXPECT_TRUE(files.readdir(at("d")).empty());
}

TEST_F(EmulatedFiles, SayTheDocumentedWordsForAbsence) {
  const std::string gone = at("gone");
  EXPECT_EQ(files.readFile(nothrow, gone).error().firstLine(), "File not found: " + gone);
  EXPECT_EQ(files.remove(nothrow, gone).error().firstLine(), "File not found: " + gone);
  EXPECT_EQ(files.readdir(nothrow, gone).error().firstLine(), "Directory not found: " + gone);
  EXPECT_EQ(codeOf(files.stat(nothrow, gone)), ErrorCode::fileNotFound);
  EXPECT_EQ(codeOf(files.rename(nothrow, gone, at("x"))), ErrorCode::fileNotFound);
  EXPECT_FALSE(files.exists(gone));
  EXPECT_THROW(files.readFile(gone), NotFoundError);
}

TEST_F(EmulatedFiles, TellOtherFailuresApart) {
  files.mkdir(at("d/e"));
  files.writeFile(at("f"), "x");
  EXPECT_EQ(codeOf(files.readFile(nothrow, at("d"))), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(files.writeFile(nothrow, at("d"), "x")), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(files.readdir(nothrow, at("f"))), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(files.remove(nothrow, at("d"), false)), ErrorCode::precondition);
  EXPECT_EQ(codeOf(files.mkdir(nothrow, at("d"), false)), ErrorCode::alreadyExists);
  EXPECT_EQ(codeOf(files.mkdir(nothrow, at("f"))), ErrorCode::alreadyExists);
  EXPECT_EQ(codeOf(files.mkdir(nothrow, at("n/m"), false)), ErrorCode::fileNotFound);
  EXPECT_EQ(codeOf(files.writeFile(nothrow, at("n/m"), "x", {.parents = false})), ErrorCode::fileNotFound);
  EXPECT_EQ(codeOf(files.readFile(nothrow, "")), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(files.readFile(nothrow, std::string_view("a\0b", 3))), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(files.readFile(nothrow, at("f"), {.offset = -1})), ErrorCode::invalidArgument);
  files.mkdir(at("d"));
  files.remove(at("d"));
  EXPECT_FALSE(files.exists(at("d")));
}

TEST_F(EmulatedFiles, StatSeesModesAndLinks) {
  files.writeFile(at("f"), "12345", {.mode = 0640});
  ASSERT_EQ(::symlink("f", at("link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere\n", at("dangling").c_str()), 0);
  EXPECT_EQ(files.stat(at("f")).mode, 0640u);
  EXPECT_EQ(files.stat(at("link")).size, 5);
  const FileEntry link = files.stat(at("link"), false);
  EXPECT_EQ(link.type, EntryType::symlink);
  EXPECT_EQ(link.linkTarget, "f");
  EXPECT_EQ(files.stat(at("dangling"), false).linkTarget, "nowhere\n");
  EXPECT_FALSE(files.exists(at("dangling")));
  files.remove(at("link"));
  EXPECT_TRUE(files.exists(at("f")));
  EXPECT_EQ(files.readdir(at(".")).size(), 2u) << "f and dangling";
  EXPECT_EQ(files.stat(folder.path().string() + "/").type, EntryType::directory);
}

TEST_F(EmulatedFiles, RenameReplaces) {
  files.writeFile(at("a"), "a");
  files.writeFile(at("b"), "b");
  files.rename(at("a"), at("b"));
  EXPECT_EQ(files.readFile(at("b")), "a");
  EXPECT_FALSE(files.exists(at("a")));
}

TEST_F(EmulatedFiles, DamageOnTheWayIsFoundAndLeavesNothing) {
  files.writeFile(at("f"), "old");
  world["one"].onExec = [&](const registry::Target& target, const registry::ExecRequest& request,
                            const registry::OutputFunction& output, const registry::CallContext& context) {
    // A provider whose input loses its last line.
    std::array<std::byte, 100> buffer;
    std::size_t size = 0;
    if (request.source != nullptr) (void)request.source->read(buffer, size);
    registry::ExecRequest cut = request;
    cut.source = nullptr;
    FakeProvider real("real");
    FakeProvider::Box box;
    box.record.info.id = target.id;
    real.put(box);
    return real.exec(target, cut, output, context);
  };
  const auto written = files.writeFile(nothrow, at("f"), randomBytes(1000));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::dataLoss);
  world["one"].onExec = {};
  EXPECT_EQ(files.readFile(at("f")), "old");
  EXPECT_EQ(files.readdir(folder.path().string()).size(), 1u);
}

TEST_F(EmulatedFiles, TransferFilesWithProgress) {
  const std::string content = randomBytes(500000);
  std::ofstream(at("local"), std::ios::binary) << content;
  std::vector<std::int64_t> done;
  std::int64_t total = 0;
  auto progress = [&](const Progress& progress) {
    done.push_back(progress.done);
    total = progress.total;
  };
  EXPECT_EQ(files.upload(at("local"), at("remote"), {.onProgress = progress}).bytes, 500000);
  EXPECT_EQ(files.readFile(at("remote")), content);
  EXPECT_EQ(total, 500000);
  EXPECT_GT(done.size(), 3u);
  EXPECT_EQ(done.back(), 500000);
  done.clear();
  EXPECT_EQ(files.download(at("remote"), at("back"), {.onProgress = progress, .mode = 0600}).bytes, 500000);
  EXPECT_EQ(done.back(), 500000);
  struct stat status {};
  ASSERT_EQ(::stat(at("back").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(files.readFile(at("back")), content);
}

TEST_F(EmulatedFiles, ADownloadNeverTakesThePlaceOfADeviceOrALink) {
  files.writeFile(at("remote"), "content");
  // A FIFO stands for a device: what is there keeps its kind and is written to.
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  auto unread = files.download(nothrow, at("remote"), at("fifo"));
  ASSERT_FALSE(unread) << "and nobody is waited for";
  const int reader = ::open(at("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  files.download(at("remote"), std::filesystem::path(at("fifo")));
  std::array<char, 32> buffer{};
  EXPECT_EQ(::read(reader, buffer.data(), buffer.size()), 7);
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(at("fifo")));

  std::ofstream(at("target")) << "old";
  std::filesystem::create_symlink("target", at("link"));
  files.download(at("remote"), std::filesystem::path(at("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(at("link")));
  EXPECT_EQ(files.readFile(at("target")), "content");
  EXPECT_FALSE(files.download(nothrow, at("remote"), folder.path()));
}

TEST_F(EmulatedFiles, TransferStreams) {
  const std::string content = randomBytes(300000);
  std::istringstream in(content);
  files.upload(in, at("f"));
  std::ostringstream out;
  files.download(at("f"), out);
  EXPECT_EQ(out.str(), content);
}

TEST_F(EmulatedFiles, AFailedTransferLeavesNothing) {
  int calls = 0;
  const ByteSource breaks = [&](std::span<std::byte> buffer) -> std::size_t {
    if (++calls > 3) throw std::runtime_error("torn");
    return buffer.size();
  };
  // The fake runs real processes, which the stop does not reach; it is told to end as a provider would end it.
  world["one"].onExec = [&](const auto&, const registry::ExecRequest& request, const auto&,
                            const registry::CallContext& context) {
    if (request.source == nullptr) return Result<ExitStatus>(ExitStatus{});
    std::array<std::byte, 4096> buffer;
    std::size_t size = 0;
    while (!context.stop.stop_requested()) {
      if (request.source->read(buffer, size) == registry::InputSource::State::end) ADD_FAILURE() << "taken for the end";
    }
    return Result<ExitStatus>(failure(ErrorCode::cancelled, "stopped"));
  };
  EXPECT_THROW(files.upload(breaks, at("f")), std::runtime_error);
  world["one"].onExec = {};
  EXPECT_FALSE(files.download(nothrow, at("missing"), at("back")));
  EXPECT_FALSE(files.upload(nothrow, at("missing"), at("f")));
  EXPECT_EQ(codeOf(files.upload(nothrow, folder.path(), at("f"))), ErrorCode::invalidArgument);
  EXPECT_TRUE(files.readdir(folder.path().string()).empty());
}

TEST_F(EmulatedFiles, NativeSlotsAreUsedWhereThereAreSome) {
  FakeProvider& provider = world["one"];
  auto& has = provider.has;
  has.fsRead = has.fsWrite = has.fsList = has.fsStat = has.fsMkdir = has.fsRemove = has.fsRename = true;
  files.writeFile("/f", "native");
  EXPECT_EQ(files.readFile("/f"), "native");
  files.readdir("/");
  files.mkdir("/d");
  files.rename("/a", "/b");
  EXPECT_TRUE(files.exists("/f"));
  files.remove("/f");
  EXPECT_EQ(provider.count("exec"), 0u);
  std::ofstream(at("local")) << "123";
  EXPECT_EQ(codeOf(files.upload(nothrow, at("local"), "/f")), ErrorCode::dataLoss) << "there are six bytes, not three";
}

TEST_F(EmulatedFiles, AbsenceOfTheSandboxIsNotThatOfTheFile) {
  FakeProvider& provider = world["one"];
  provider.has.fsRead = true;
  provider.fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "fsRead") return failure(ErrorCode::notFound, "it says");
    return std::nullopt;
  };
  EXPECT_EQ(files.readFile(nothrow, "/x").error().firstLine(), "File not found: /x");
  sandbox.destroy();
  EXPECT_EQ(codeOf(files.readFile(nothrow, "/x")), ErrorCode::sandboxGone);
}

}  // namespace
}  // namespace computesdk::test

#include "elf/elf.hpp"

#include "support.hpp"
#include "values/fd.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

namespace computesdk::registry {
namespace {

using test::fixture;
using test::readFile;
using testing::HasSubstr;

constexpr const char* kEntry = "csdk_plugin_entry_v1";

/// The bytes as a file of their own.
Result<ElfReport> inspect(const std::string& bytes) {
  UniqueFd fd(::memfd_create("library", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return inspectLibrary(fd.get(), kEntry);
}

std::string why(const std::string& bytes) {
  auto result = inspect(bytes);
  if (result) return "(accepted)";
  EXPECT_EQ(result.error().code, ErrorCode::pluginLoad);
  EXPECT_FALSE(result.error().fix.empty());
  return result.error().why;
}

Elf64_Ehdr header(const std::string& bytes) {
  Elf64_Ehdr out;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

/// Changes the first program header of a type.
template <typename Change>
std::string withSegment(std::string bytes, std::uint32_t type, Change change) {
  Elf64_Ehdr head = header(bytes);
  for (unsigned i = 0; i < head.e_phnum; ++i) {
    char* at = bytes.data() + head.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type != type) continue;
    change(segment);
    std::memcpy(at, &segment, sizeof segment);
    break;
  }
  return bytes;
}

template <typename Change>
std::string withHeader(std::string bytes, Change change) {
  Elf64_Ehdr head = header(bytes);
  change(head);
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes;
}

TEST(Elf, AcceptsPluginsWithEitherHashTable) {
  for (const char* name : {"plain", "sysv"}) {
    auto report = inspect(readFile(fixture(name)));
    ASSERT_TRUE(report) << name << ": " << report.error().why;
    EXPECT_EQ(report->foreignCount, 0u);
    EXPECT_FALSE(report->usesOrigin);
  }
}

TEST(Elf, ListsForeignExports) {
  auto report = inspect(readFile(fixture("foreign")));
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_EQ(report->foreignCount, 2u);
  EXPECT_THAT(report->foreignExports,
              testing::UnorderedElementsAre("registry_foreign_function", "registry_foreign_variable"));
}

TEST(Elf, SeesThatALibraryNeedsItsFolder) {
  auto report = inspect(readFile(fixture("origin")));
  ASSERT_TRUE(report) << report.error().why;
  EXPECT_TRUE(report->usesOrigin);
}

TEST(Elf, RefusesWhatIsNoPlugin) {
  EXPECT_THAT(why(""), HasSubstr("too short"));
  EXPECT_THAT(why(std::string(4096, 'x')), HasSubstr("not an ELF"));
  EXPECT_THAT(why(readFile(fixture("no_entry"))), HasSubstr("does not export csdk_plugin_entry_v1"));
  EXPECT_THAT(why(readFile(fixture("data_entry"))), HasSubstr("not a function"));
  EXPECT_THAT(why(readFile(fixture("exec_stack"))), HasSubstr("executable stack"));
  EXPECT_THAT(why(readFile("/proc/self/exe")),
              testing::AnyOf(HasSubstr("a program"), HasSubstr("not a shared library")));
}

TEST(Elf, RefusesOtherMachines) {
  std::string good = readFile(fixture("plain"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_machine = EM_RISCV; })), HasSubstr("built for RISC-V"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_ident[EI_CLASS] = ELFCLASS32; })), HasSubstr("not 64-bit"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; })), HasSubstr("big-endian"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_type = ET_EXEC; })), HasSubstr("not a shared library"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_phnum = 0; })), HasSubstr("damaged"));
  EXPECT_THAT(why(withHeader(good, [](auto& h) { h.e_phoff = ~0ull - 8; })), HasSubstr("damaged"));
}

TEST(Elf, RefusesDangerousSegments) {
  std::string good = readFile(fixture("plain"));
  EXPECT_THAT(why(withSegment(good, PT_LOAD, [](auto& s) { s.p_flags = PF_R | PF_W | PF_X; })),
              HasSubstr("writable and executable"));
  EXPECT_THAT(why(withSegment(good, PT_LOAD, [](auto& s) { s.p_filesz = s.p_memsz = 1ull << 40; })),
              HasSubstr("cut short"));
  EXPECT_THAT(why(withSegment(good, PT_LOAD, [](auto& s) { s.p_offset = ~0ull; })), HasSubstr("cut short"));
  EXPECT_THAT(why(withSegment(good, PT_LOAD, [](auto& s) { s.p_memsz = 0; })), HasSubstr("impossible"));
  EXPECT_THAT(why(withSegment(good, PT_LOAD, [](auto& s) { s.p_vaddr = ~0ull; })), HasSubstr("impossible"));
  EXPECT_THAT(why(withSegment(good, PT_DYNAMIC, [](auto& s) { s.p_type = PT_NULL; })), HasSubstr("no dynamic section"));
}

TEST(Elf, CutAtAnyLengthIsRefusedOrHarmless) {
  for (const char* name : {"plain", "sysv", "foreign"}) {
    std::string good = readFile(fixture(name));
    std::size_t lastByte = 0;  // of what is mapped; section headers behind it are nobody's business
    Elf64_Ehdr head = header(good);
    for (unsigned i = 0; i < head.e_phnum; ++i) {
      Elf64_Phdr segment;
      std::memcpy(&segment, good.data() + head.e_phoff + i * sizeof segment, sizeof segment);
      if (segment.p_type == PT_LOAD) lastByte = std::max<std::size_t>(lastByte, segment.p_offset + segment.p_filesz);
    }
    UniqueFd fd(::memfd_create("library", MFD_CLOEXEC));
    ASSERT_EQ(::write(fd.get(), good.data(), good.size()), static_cast<ssize_t>(good.size()));
    for (std::size_t size = good.size(); size-- > 0;) {
      ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
      auto result = inspectLibrary(fd.get(), kEntry);
      ASSERT_EQ(result.has_value(), size >= lastByte) << name << " cut to " << size;
    }
  }
}

TEST(Elf, RandomDamageNeverCrashes) {
  std::mt19937 random(16);
  for (const char* name : {"plain", "sysv", "foreign"}) {
    std::string good = readFile(fixture(name));
    // The headers and tables are what is read; code in between is not.
    for (int i = 0; i < 4000; ++i) {
      std::string damaged = good;
      std::size_t span = i % 2 == 0 ? 1024 : damaged.size();
      for (int n = 0; n < 4; ++n) damaged[random() % span] = static_cast<char>(random());
      auto result = inspect(damaged);
      if (!result) {
        EXPECT_FALSE(result.error().why.empty());
      }
    }
  }
}

}  // namespace
}  // namespace computesdk::registry

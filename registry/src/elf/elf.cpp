#include "elf/elf.hpp"

#include "elf/reader.hpp"
#include "values/text.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace computesdk::registry {
namespace {

constexpr std::size_t kMaxListed = 16;
constexpr std::uint64_t kMaxDynamic = 4096;
constexpr std::uint64_t kMaxSymbols = 1 << 18;
constexpr std::size_t kMaxNameBytes = 16 << 20;

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
constexpr std::string_view kMachineName = "x86-64";
#else
constexpr std::uint16_t kMachine = EM_AARCH64;
constexpr std::string_view kMachineName = "arm64";
#endif

ErrorInfo refuse(std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::pluginLoad;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

ErrorInfo damaged(std::string_view detail) {
  return refuse("the file is damaged: " + std::string(detail), "install it again");
}

std::string machineName(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "arm64";
    case EM_386: return "x86 (32 bit)";
    case EM_ARM: return "arm (32 bit)";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "POWER";
    case EM_S390: return "s390";
    default: return "machine number " + std::to_string(machine);
  }
}

/// What the dynamic section says, still as addresses.
struct Dynamic {
  std::uint64_t symbols = 0, strings = 0, stringsSize = 0, hash = 0, gnuHash = 0;
  std::vector<std::uint64_t> needed;
  std::vector<std::uint64_t> runPaths;
  bool textRelocations = false;
  bool isProgram = false;
};

/// Where the tables lie in the file.
struct Tables {
  std::uint64_t strings = 0, stringsSize = 0, symbols = 0, symbolCount = 0;
};

ErrorInfo notElf() {
  return refuse("the file is not an ELF library", "check that the manifest names the library itself");
}

std::optional<ErrorInfo> checkIdentity(const Elf64_Ehdr& header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return notElf();
  std::string build = "get a build for " + std::string(kMachineName);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return refuse("the library is not 64-bit", build);
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return refuse("the library is big-endian", build);
  if (header.e_ident[EI_VERSION] != EV_CURRENT || header.e_version != EV_CURRENT) return damaged("unknown ELF version");
  if (header.e_machine != kMachine) {
    return refuse(
        "the library is built for " + machineName(header.e_machine) + ", this machine is " + std::string(kMachineName),
        build);
  }
  if (header.e_type != ET_DYN) return refuse("the file is not a shared library", "link it with -shared");
  return std::nullopt;
}

std::optional<ErrorInfo> checkSegments(const ElfReader& reader) {
  bool anyLoad = false;
  for (const Elf64_Phdr& segment : reader.segments()) {
    bool writeAndExecute = (segment.p_flags & PF_W) != 0 && (segment.p_flags & PF_X) != 0;
    if (segment.p_type == PT_GNU_STACK && (segment.p_flags & PF_X) != 0) {
      return refuse("the library asks for an executable stack", "link it with -z noexecstack");
    }
    if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC) continue;
    if (!reader.inside(segment.p_offset, segment.p_filesz)) {
      return refuse("the file is cut short: a segment ends at byte " +
                        std::to_string(segment.p_offset + segment.p_filesz) + ", the file at byte " +
                        std::to_string(reader.size()),
                    "install it again");
    }
    if (segment.p_filesz > segment.p_memsz || segment.p_vaddr + segment.p_memsz < segment.p_vaddr) {
      return damaged("a segment has impossible sizes");
    }
    if (segment.p_type != PT_LOAD) continue;
    anyLoad = true;
    if (writeAndExecute) {
      return refuse("a segment is both writable and executable", "link it without -N (--omagic)");
    }
  }
  if (!anyLoad) return damaged("there is nothing to load");
  return std::nullopt;
}

void note(const Elf64_Dyn& entry, Dynamic& out) {
  switch (entry.d_tag) {
    case DT_SYMTAB: out.symbols = entry.d_un.d_ptr; break;
    case DT_STRTAB: out.strings = entry.d_un.d_ptr; break;
    case DT_STRSZ: out.stringsSize = entry.d_un.d_val; break;
    case DT_HASH: out.hash = entry.d_un.d_ptr; break;
    case DT_GNU_HASH: out.gnuHash = entry.d_un.d_ptr; break;
    case DT_NEEDED: out.needed.push_back(entry.d_un.d_val); break;
    case DT_RPATH:
    case DT_RUNPATH: out.runPaths.push_back(entry.d_un.d_val); break;
    case DT_TEXTREL: out.textRelocations = true; break;
    case DT_FLAGS: out.textRelocations |= (entry.d_un.d_val & DF_TEXTREL) != 0; break;
    case DT_FLAGS_1: out.isProgram |= (entry.d_un.d_val & DF_1_PIE) != 0; break;
    default: break;
  }
}

std::optional<Dynamic> readDynamic(ElfReader& reader) {
  for (const Elf64_Phdr& segment : reader.segments()) {
    if (segment.p_type != PT_DYNAMIC) continue;
    Dynamic out;
    std::uint64_t count = std::min<std::uint64_t>(segment.p_filesz / sizeof(Elf64_Dyn), kMaxDynamic);
    for (std::uint64_t i = 0; i < count; ++i) {
      auto entry = reader.read<Elf64_Dyn>(segment.p_offset + i * sizeof(Elf64_Dyn));
      if (!entry || entry->d_tag == DT_NULL) break;
      note(*entry, out);
    }
    return out;
  }
  return std::nullopt;
}

/// Number of dynamic symbols by the GNU hash table: the end of the longest chain.
std::optional<std::uint64_t> countByGnuHash(ElfReader& reader, std::uint64_t address) {
  auto start = reader.offsetOf(address, 16);
  if (!start) return std::nullopt;
  auto buckets = reader.read<std::uint32_t>(*start);
  auto first = reader.read<std::uint32_t>(*start + 4);
  auto bloom = reader.read<std::uint32_t>(*start + 8);
  if (!buckets || !first || !bloom || *buckets > kMaxSymbols) return std::nullopt;
  std::uint64_t bucketAt = *start + 16 + std::uint64_t{*bloom} * 8;
  std::uint64_t chainAt = bucketAt + std::uint64_t{*buckets} * 4;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < *buckets; ++i) {
    auto bucket = reader.read<std::uint32_t>(bucketAt + i * 4);
    if (!bucket) return std::nullopt;
    last = std::max<std::uint64_t>(last, *bucket);
  }
  if (last < *first) return *first;
  for (; last - *first < kMaxSymbols; ++last) {
    auto chain = reader.read<std::uint32_t>(chainAt + (last - *first) * 4);
    if (!chain) return std::nullopt;
    if ((*chain & 1) != 0) return last + 1;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> countSymbols(ElfReader& reader, const Dynamic& dynamic) {
  if (dynamic.gnuHash != 0) return countByGnuHash(reader, dynamic.gnuHash);
  if (dynamic.hash == 0) return std::nullopt;
  auto start = reader.offsetOf(dynamic.hash, 8);
  if (!start) return std::nullopt;
  auto count = reader.read<std::uint32_t>(*start + 4);
  return count ? std::optional<std::uint64_t>(*count) : std::nullopt;
}

std::optional<Tables> findTables(ElfReader& reader, const Dynamic& dynamic) {
  auto count = countSymbols(reader, dynamic);
  if (!count || *count > kMaxSymbols) return std::nullopt;
  auto strings = reader.offsetOf(dynamic.strings, dynamic.stringsSize);
  auto symbols = reader.offsetOf(dynamic.symbols, *count * sizeof(Elf64_Sym));
  if (!strings || !symbols) return std::nullopt;
  return Tables{*strings, dynamic.stringsSize, *symbols, *count};
}

bool isExport(const Elf64_Sym& symbol) {
  auto binding = ELF64_ST_BIND(symbol.st_info);
  auto visibility = ELF64_ST_VISIBILITY(symbol.st_other);
  return symbol.st_shndx != SHN_UNDEF && binding != STB_LOCAL &&
         (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

/// Symbols that the linker itself defines in every library.
bool isOfTheLinker(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"_init", "_fini", "_edata", "_end", "__bss_start", "_fbss"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool isInCode(const ElfReader& reader, std::uint64_t address) {
  for (const Elf64_Phdr& segment : reader.segments()) {
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz) {
      return true;
    }
  }
  return false;
}

/// Defined symbols that others can see. Nothing when the table leaves the file.
std::optional<std::vector<Elf64_Sym>> exportedSymbols(ElfReader& reader, const Tables& tables) {
  std::vector<Elf64_Sym> out;
  for (std::uint64_t i = 1; i < tables.symbolCount; ++i) {
    auto symbol = reader.read<Elf64_Sym>(tables.symbols + i * sizeof(Elf64_Sym));
    if (!symbol) return std::nullopt;
    if (isExport(*symbol)) out.push_back(*symbol);
  }
  return out;
}

std::optional<ErrorInfo> readExports(ElfReader& reader, const Tables& tables, std::string_view entrySymbol,
                                     ElfReport& report) {
  auto symbols = exportedSymbols(reader, tables);
  if (!symbols) return damaged("its symbol table leaves the file");
  bool entryFound = false;
  std::size_t nameBytes = 0;
  for (const Elf64_Sym& symbol : *symbols) {
    auto name = reader.text(tables.strings, tables.stringsSize, symbol.st_name);
    if (!name) return damaged("a symbol has no name");
    nameBytes += name->size();
    if (nameBytes > kMaxNameBytes) return damaged("its symbol names have no end");
    if (*name == entrySymbol) {
      entryFound = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && isInCode(reader, symbol.st_value);
      if (!entryFound) return refuse(std::string(entrySymbol) + " is not a function", "export the entry function");
    } else if (symbol.st_shndx != SHN_ABS && !isOfTheLinker(*name)) {
      ++report.foreignCount;
      if (report.foreignExports.size() < kMaxListed) report.foreignExports.push_back(printable(*name));
    }
  }
  if (entryFound) return std::nullopt;
  return refuse("the library does not export " + std::string(entrySymbol),
                "declare the entry with CSDK_EXPORT, or get a build of the plug-in for this ABI");
}

std::optional<ErrorInfo> readNames(ElfReader& reader, const Tables& tables, const Dynamic& dynamic, ElfReport& report) {
  for (std::uint64_t index : dynamic.needed) {
    auto name = reader.text(tables.strings, tables.stringsSize, index);
    if (!name) return damaged("a needed library has no name");
    report.needed.push_back(printable(*name));
  }
  for (std::uint64_t index : dynamic.runPaths) {
    auto path = reader.text(tables.strings, tables.stringsSize, index);
    if (!path) return damaged("its run path has no end");
    report.usesOrigin |= path->find("$ORIGIN") != std::string::npos || path->find("${ORIGIN}") != std::string::npos;
  }
  return std::nullopt;
}

}  // namespace

Result<ElfReport> inspectLibrary(int fd, std::string_view entrySymbol) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return refuse(std::strerror(errno), "check the file");
  ElfReader reader(fd, info.st_size > 0 ? static_cast<std::uint64_t>(info.st_size) : 0);
  auto header = reader.read<Elf64_Ehdr>(0);
  if (!header) {
    const auto magic = reader.read<std::array<char, SELFMAG>>(0);
    if (magic && std::memcmp(magic->data(), ELFMAG, SELFMAG) != 0) return notElf();
    return refuse("the file is too short to be a library", "install it again");
  }
  if (auto error = checkIdentity(*header)) return *error;
  if (!reader.readHeaders()) return damaged("its program headers leave the file");
  if (auto error = checkSegments(reader)) return *error;
  auto dynamic = readDynamic(reader);
  if (!dynamic) return refuse("the library has no dynamic section", "link it with -shared");
  if (dynamic->isProgram) return refuse("the file is a program, not a library", "link it with -shared");
  if (dynamic->textRelocations) return refuse("the library changes its code while loading", "compile it with -fPIC");
  auto tables = findTables(reader, *dynamic);
  if (!tables) return damaged("its symbol table leaves the file");
  ElfReport report;
  if (auto error = readExports(reader, *tables, entrySymbol, report)) return *error;
  if (auto error = readNames(reader, *tables, *dynamic, report)) return *error;
  return report;
}

}  // namespace computesdk::registry

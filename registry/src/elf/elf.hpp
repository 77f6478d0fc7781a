#pragma once

#include <computesdk/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A look at a shared library as bytes, before the dynamic loader maps it: a truncated one would kill the process, and
// one of another machine is reported as "No such file". Reads through program headers only; trusts no offset or size.
namespace computesdk::registry {

struct ElfReport {
  std::vector<std::string> foreignExports;  ///< defined dynamic symbols beside the entry; at most 16 of them
  std::size_t foreignCount = 0;
  std::vector<std::string> needed;  ///< libraries it asks for
  bool usesOrigin = false;          ///< its RUNPATH holds $ORIGIN, so it works only from its own folder
};

/// Checks that `fd` is a shared library that this process could load: class, byte order, machine, type, segments inside
/// the file, nothing both writable and executable, and a function named `entrySymbol` among the exports.
/// Errors: E_PLUGIN_LOAD with `why` and `fix`. The descriptor's position is not used. Thread-safe.
Result<ElfReport> inspectLibrary(int fd, std::string_view entrySymbol);

}  // namespace computesdk::registry

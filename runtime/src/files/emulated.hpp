#pragma once

#include <computesdk/filesystem.hpp>
#include <computesdk/registry/provider.hpp>

#include "core/sandbox_state.hpp"

#include <string_view>

// Files through commands, for providers that lack a file operation: POSIX sh with base64, stat and the like, as every
// usual image has them. Paths go in as arguments, contents as base64, so every byte arrives as it was.
namespace computesdk::detail::emulated {

Result<void> read(SandboxState& sandbox, std::string_view path, const ReadOptions& options, const ByteSink& sink);
/// Beside its place, verified by checksum, then renamed.
Result<void> write(SandboxState& sandbox, std::string_view path, registry::InputSource& source,
                   const WriteOptions& options);
Result<std::vector<FileEntry>> list(SandboxState& sandbox, std::string_view path, const std::stop_token& stop);
Result<FileEntry> stat(SandboxState& sandbox, std::string_view path, bool follow, const std::stop_token& stop);
Result<void> mkdir(SandboxState& sandbox, std::string_view path, bool parents, const std::stop_token& stop);
Result<void> remove(SandboxState& sandbox, std::string_view path, bool recursive, const std::stop_token& stop);
Result<void> rename(SandboxState& sandbox, std::string_view from, std::string_view to, const std::stop_token& stop);

}  // namespace computesdk::detail::emulated

#pragma once

#include <computesdk/filesystem.hpp>

#include "core/sandbox_state.hpp"

#include <string_view>

// One file operation each: the provider's own where it has it, else through commands. Paths are checked, and failures
// say what users were promised.
namespace computesdk::detail {

Result<void> readFileTo(SandboxState& sandbox, std::string_view path, const ReadOptions& options, const ByteSink& sink,
                        const std::function<void(std::int64_t)>& expect = {});
Result<void> writeFileFrom(SandboxState& sandbox, std::string_view path, registry::InputSource& source,
                           const WriteOptions& options);
Result<void> writeFileBytes(SandboxState& sandbox, std::string_view path, std::span<const std::byte> content,
                            const WriteOptions& options);
Result<FileEntry> statFile(SandboxState& sandbox, std::string_view path, bool follow, const std::stop_token& stop);

}  // namespace computesdk::detail

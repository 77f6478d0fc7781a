#pragma once

#include <sys/stat.h>

#include <computesdk/error.hpp>
#include <computesdk/result.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {

/// What the kernel refused, for the client: `sentence` ("Cannot write /x") with the reason behind it. The code fits the
/// errno: what the client can change is never an internal error.
ErrorInfo ioFailure(int number, const std::string& sentence);

/// E_FILE_NOT_FOUND with the words that clients are promised: "File not found: /x", "Directory not found: /x".
ErrorInfo fileMissing(const std::string& absolute);
ErrorInfo folderMissing(const std::string& absolute);

/// A regular file opened for reading, and what it is.
struct OpenFile {
  UniqueFd descriptor;
  struct stat info {};
};
/// Opens without ever waiting: a FIFO, device or socket is refused (E_INVALID_ARGUMENT), as is a directory. Missing:
/// E_FILE_NOT_FOUND with `File not found: <path>`.
Result<OpenFile> openForReading(const std::string& path);

/// Reads on from where the descriptor stands, until `most` bytes or the end. On failure: errno is set and the result is
/// false. Files that would block count as ended there.
bool readUpTo(int descriptor, std::size_t most, std::string& into);
/// Writes all of `bytes`. False with errno set.
bool writeAll(int descriptor, std::string_view bytes);

/// A regular file's content, of at most `most` bytes; larger: E_OUT_OF_RANGE.
Result<std::string> readFile(const std::string& path, std::size_t most);

/// Makes the folder and those above it that are missing.
Result<void> makeFolders(const std::string& path);

}  // namespace computesdk::sandboxd

#pragma once

#include <computesdk/serving/reply.hpp>
#include <string>

#include "core/workers.hpp"
#include "files/io.hpp"

namespace computesdk::sandboxd {

/// Answers with the envelope of a file and its content. What is small goes in one piece, the rest as it is read, so
/// that the file's size costs no memory and a slow client holds no thread. Invalid bytes become U+FFFD. `fileJson` is
/// the FileInfo. Called on a thread that may block.
void sendContent(const serving::Reply& reply, Workers& workers, OpenFile file, const std::string& path,
                 const std::string& fileJson);

}  // namespace computesdk::sandboxd

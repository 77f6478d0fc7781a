#pragma once

#include "common/session.hpp"

#include <computesdk/plugin.h>

#include <cstdint>
#include <functional>

namespace computesdk::vendor {

/// Asks for the part of a file that an fs_read wants, where it is not the whole file. A service may answer with the
/// whole one nevertheless: download() cuts.
void addRange(Request& request, const csdk_fs_args& args);

/// Sends a request whose answer is the content of a file, and hands on to the caller what the fs_read asked for: cut
/// out of a whole file, or the part (206) as it comes. Ends the request once the part is there. Throws plugin::Error
/// for a negative offset and when the answer breaks off.
/// `isContent` sees the head of a success; false: what comes is something else, of which nothing is handed on, and the
/// request is ended at once.
/// Returns the head; of an answer that is no success with its body (the first 64 KiB).
Answer download(Session& session, const Request& request, const csdk_fs_args& args,
                const std::function<bool(const Answer& head)>& isContent = {});

}  // namespace computesdk::vendor

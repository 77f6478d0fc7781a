// The binary encoding of WebSocket messages, and their JSON form.
#pragma once

#include <computesdk/result.hpp>
#include <optional>
#include <string_view>

#include "socket/hub.hpp"

namespace computesdk::sandboxd {

/// Reads a binary frame: kind, channel, type, data. Nothing for one that is cut short, longer than it says, of unknown
/// kind, or whose texts are not UTF-8. Fields of `data` become JSON; bytes, and a block that is no key-value block,
/// become a string, with what is not UTF-8 replaced.
std::optional<ClientMessage> decodeBinary(std::string_view frame);

/// Reads a JSON frame `{"type", "channel"?, "data"?}`; nothing when it is none.
std::optional<ClientMessage> decodeText(std::string_view frame);

}  // namespace computesdk::sandboxd

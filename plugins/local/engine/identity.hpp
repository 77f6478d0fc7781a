// As whom sandboxes run, in this machine's numbers.
#pragma once

#include <cstdint>

namespace computesdk::local {

// Whether this process can take on another user's identity: real root can, root of a small user namespace cannot.
bool canBecome(std::uint32_t uid);

// Above every range that systems hand out (systemd: "unused"), another one each time.
std::uint32_t unusedUid();

// To whom trees belong that are unpacked or copied for sandboxes, and as whom those run that start from one: as root a
// fixed uid that nobody else has, otherwise this user.
std::uint32_t treeOwner();

}  // namespace computesdk::local

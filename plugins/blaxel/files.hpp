#pragma once

#include "blaxel/box.hpp"

// Files of a sandbox: contents, folders and removal by its API; what that lacks by small commands.
namespace computesdk::blaxel {

void readFile(Box& box, const csdk_fs_args& args);
/// Beside its place, then moved there, so that readers see the old content or the new. Large contents go in parts.
void writeFile(Box& box, const csdk_fs_args& args);
void listFolder(Box& box, const csdk_fs_args& args);
void statPath(Box& box, const csdk_fs_args& args);
void makeFolder(Box& box, const csdk_fs_args& args);
void removePath(Box& box, const csdk_fs_args& args);
void renamePath(Box& box, const csdk_fs_args& args);

}  // namespace computesdk::blaxel

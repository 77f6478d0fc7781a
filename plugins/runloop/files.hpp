#pragma once

#include "runloop/devbox.hpp"

// Contents by Runloop's file API; everything else, for which it has nothing, by small scripts.
namespace computesdk::runloop {

void readFile(Devbox& devbox, const csdk_fs_args& args);
void writeFile(Devbox& devbox, const csdk_fs_args& args);
void listFolder(Devbox& devbox, const csdk_fs_args& args);
void statPath(Devbox& devbox, const csdk_fs_args& args);
void makeFolder(Devbox& devbox, const csdk_fs_args& args);
void removePath(Devbox& devbox, const csdk_fs_args& args);
void renamePath(Devbox& devbox, const csdk_fs_args& args);

}  // namespace computesdk::runloop

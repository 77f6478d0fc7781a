#pragma once

#include "e2b/envd.hpp"

// Files of a sandbox: contents over plain HTTP, everything else by methods of the daemon.
namespace computesdk::e2b {

void readFile(Envd& envd, const csdk_fs_args& args);
/// Beside its place, then moved there, so that readers see the old content or the new.
void writeFile(Envd& envd, const csdk_fs_args& args);
void listFolder(Envd& envd, const csdk_fs_args& args);
void statPath(Envd& envd, const csdk_fs_args& args);
void makeFolder(Envd& envd, const csdk_fs_args& args);
void removePath(Envd& envd, const csdk_fs_args& args);
void renamePath(Envd& envd, const csdk_fs_args& args);

}  // namespace computesdk::e2b

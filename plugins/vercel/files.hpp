#pragma once

#include "vercel/machine.hpp"

#include <computesdk/provider/call.hpp>

// Files: content over Vercel's file interface, all else by scripts in the sandbox.
namespace computesdk::vercel {

void readFile(Machine& machine, const csdk_fs_args& args);
void writeFile(Machine& machine, const csdk_fs_args& args);
void listFolder(Machine& machine, const csdk_fs_args& args);
void statPath(Machine& machine, const csdk_fs_args& args);
void makeFolder(Machine& machine, const csdk_fs_args& args);
void removePath(Machine& machine, const csdk_fs_args& args);
void renamePath(Machine& machine, const csdk_fs_args& args);

}  // namespace computesdk::vercel

#pragma once

#include "daytona/toolbox.hpp"

namespace computesdk::daytona {

void readFile(Toolbox& toolbox, const csdk_fs_args& args);
void writeFile(Toolbox& toolbox, const csdk_fs_args& args);
void listFolder(Toolbox& toolbox, const csdk_fs_args& args);
void statPath(Toolbox& toolbox, const csdk_fs_args& args);
void makeFolder(Toolbox& toolbox, const csdk_fs_args& args);
void removePath(Toolbox& toolbox, const csdk_fs_args& args);
void renamePath(Toolbox& toolbox, const csdk_fs_args& args);

/// A folder with its parents; one that is there is a success.
void makeDirectory(Toolbox& toolbox, std::string_view path);

}  // namespace computesdk::daytona

// What every root shows of the machine, and what of /etc is made up.
#pragma once

#include "sys.hpp"

namespace computesdk::local {

// At the top of the machine's root: symlinks or folders, those that are there.
inline constexpr const char* kMachineTops[] = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};

struct MadeUpFile {
  const char *path, *text;
};
inline constexpr MadeUpFile kMadeUpEtc[] = {
    {"etc/passwd",
     "root:x:0:0:root:/root:/bin/sh\nsandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"etc/group", "root:x:0:\ntty:x:5:\nsandbox:x:1000:\nnogroup:x:65534:\n"},
    {"etc/hosts", "127.0.0.1 localhost\n127.0.1.1 sandbox\n::1 localhost ip6-localhost\n"},
    {"etc/hostname", "sandbox\n"},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
    {"etc/shells", "/bin/sh\n/bin/bash\n"},
    {"etc/host.conf", "multi on\n"},
};
// Files of the machine's /etc that hold no secret; copied, since a mount would cost every sandbox a little.
inline constexpr const char* kCopiedEtc[] = {"ld.so.cache", "localtime",  "timezone",       "services", "protocols",
                                             "mime.types",  "os-release", "debian_version", "inputrc",  "profile"};

// Whether a template's entry of this name is left out, as the sandbox has its own.
inline bool reservedTop(const char* name) {
  for (const char* own : {".", "..", "proc", "sys", "dev", "tmp", "home", "run", "root", "old_root"}) {
    if (sys::equal(name, own)) return true;
  }
  return false;
}

}  // namespace computesdk::local

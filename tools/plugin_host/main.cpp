// computesdk-plugin-host: the process that an untrusted plug-in runs in. Started by the registry with a socket as
// descriptor 3; shuts itself in, loads the library, and serves its operations. Not for people to start.
#include "channel.hpp"
#include "confine.hpp"
#include "server.hpp"

#include "host/library.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace computesdk::plugin_host {
namespace {

using namespace registry::host;

constexpr int kSocket = 3;
constexpr int kLibrary = 4;

struct Arguments {
  registry::Manifest manifest;
  registry::LibraryFile library;
  Confinement confinement;
};

bool parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--library-fd") {
      arguments.library.descriptor = kLibrary;
      continue;
    }
    if (i + 1 >= count) return false;
    const char* value = words[++i];
    if (word == "--name") {
      arguments.manifest.name = value;
    } else if (word == "--library") {
      arguments.library.path = value;
    } else if (word == "--secrets") {
      arguments.confinement.secretsByHost = std::string_view(value) != "plugin";
    } else if (word == "--threading") {
      arguments.manifest.threading =
          std::string_view(value) == "async" ? registry::Threading::async : registry::Threading::blocking;
    } else if (word == "--parent") {
      const std::string_view digits = value;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), arguments.confinement.parent);
      if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return false;
    } else {
      return false;
    }
  }
  return !arguments.manifest.name.empty() && arguments.library.path.is_absolute() && arguments.confinement.parent > 0;
}

bool isSocket(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

[[noreturn]] void refuse(Channel& channel, std::string_view why) {
  channel.send(FrameType::refused, 0, 0, why.substr(0, 4096));
  ::_exit(0);
}

const csdk_plugin& load(Channel& channel, const Arguments& arguments) {
  auto answer = enterLibrary(arguments.manifest, arguments.library);
  if (!answer) refuse(channel, answer.error().why);
  if (answer->table == nullptr) {
    refuse(channel, "the plug-in refused: " + (answer->refusal.empty() ? "no reason given" : answer->refusal));
  }
  if (auto fits = checkTable(arguments.manifest, *answer->table); !fits) refuse(channel, fits.error().why);
  return *answer->table;
}

void sayHello(Channel& channel, const PluginTables& tables) {
  HelloBody hello{};
  hello.draft = CSDK_ABI_DRAFT;
  hello.extendMeaning = tables.lifetime.extend_meaning;
  hello.present = static_cast<std::int64_t>(tables.present);
  hello.name = toStr(view(tables.plugin.name).substr(0, 256));
  hello.version = toStr(view(tables.plugin.version).substr(0, 256));
  std::string body;
  encodeStruct(kHelloBody, &hello, body);
  channel.send(FrameType::hello, 0, 0, body);
}

int run(int count, char** words) {
  Arguments arguments;
  if (!parse(count, words, arguments) || !isSocket(kSocket)) {
    std::fputs("computesdk-plugin-host is started by ComputeSDK for a plug-in; there is nothing to do by hand\n",
               stderr);
    return 2;
  }
  ::fcntl(kSocket, F_SETFD, FD_CLOEXEC);
  if (arguments.library.descriptor >= 0) ::fcntl(kLibrary, F_SETFD, FD_CLOEXEC);
  static Channel channel(kSocket);
  if (const std::string error = confine(arguments.confinement); !error.empty()) {
    refuse(channel, "this machine cannot shut the plug-in in: " + error);
  }
  static const PluginTables tables = readTables(load(channel, arguments));
  if (arguments.library.descriptor >= 0) ::close(kLibrary);
  sayHello(channel, tables);
  static Server server(channel, tables, arguments.manifest.name,
                       arguments.manifest.threading == registry::Threading::async);
  server.run();
  // Threads of the plug-in may still run; nothing of theirs is to be torn down under them.
  ::_exit(0);
}

}  // namespace
}  // namespace computesdk::plugin_host

int main(int count, char** words) { return computesdk::plugin_host::run(count, words); }

// Watching a folder: a script inside listens to the kernel, since nobody outside can.
#include "envd.hpp"

namespace computesdk::simulators {
namespace {

// Prints "ready", then one event a line: its type, a tab, the path below the folder. Files that the machine writes come
// under another name first and are renamed; they are shown as envd's own writes would be.
constexpr const char* kScript = R"python(
import ctypes, os, struct, sys
root, deep = sys.argv[1], sys.argv[2] == "1"
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
MODIFY, ATTRIB, FROM, TO, CREATE, DELETE, IS_DIR = 2, 4, 0x40, 0x80, 0x100, 0x200, 0x40000000
folders, known, hidden = {}, set(), set()
def add(path):
    number = libc.inotify_add_watch(fd, os.fsencode(path), MODIFY | ATTRIB | FROM | TO | CREATE | DELETE)
    if number < 0:
        return
    folders[number] = path
    for entry in os.scandir(path):
        known.add(entry.path)
        if deep and entry.is_dir(follow_symlinks=False):
            add(entry.path)
def say(kind, path):
    print("EVENT_TYPE_" + kind, os.path.relpath(path, root), sep="\t", flush=True)
add(root)
print("ready", flush=True)
while True:
    data, at = os.read(fd, 65536), 0
    while at < len(data):
        number, mask, cookie, size = struct.unpack_from("iIII", data, at)
        name = os.fsdecode(data[at + 16:at + 16 + size].rstrip(b"\0"))
        at += 16 + size
        if not name or number not in folders:
            continue
        path = os.path.join(folders[number], name)
        if name.startswith(".csdk-"):
            if mask & FROM:
                hidden.add(cookie)
            continue
        if mask & (CREATE | TO):
            if cookie in hidden:
                hidden.discard(cookie)
                if path not in known:
                    say("CREATE", path)
                say("WRITE", path)
            else:
                say("CREATE", path)
            known.add(path)
            if deep and mask & IS_DIR:
                add(path)
        if mask & MODIFY:
            say("WRITE", path)
        if mask & ATTRIB:
            say("CHMOD", path)
        if mask & (DELETE | FROM):
            known.discard(path)
            say("REMOVE" if mask & DELETE else "RENAME", path)
)python";

std::string eventJson(Machine& machine, const std::string& folder, const std::string& line, bool withEntry) {
  const std::size_t tab = std::min(line.find('\t'), line.size());
  const std::string name = line.substr(std::min(tab + 1, line.size()));
  JsonObject object;
  object.add("name", name).add("type", line.substr(0, tab));
  if (withEntry) {
    try {
      object.raw("entry", entryJson(machine.stat(folder + "/" + name, false)));
    } catch (const MachineError&) {
      // It is gone already.
    }
  }
  return JsonObject().raw("filesystem", object.text()).text();
}

}  // namespace

void E2bFiles::watch(E2bSimulator& service, Exchange& exchange) {
  rapidjson::Document message;
  const auto live = service.enter(exchange);
  if (!live || !readStream(exchange, message)) return;
  Machine& machine = *live->machine;
  const std::string path = resolved(textOf(member(&message, "path")));
  RpcStream stream(exchange);
  if (!machine.exists(path)) {
    return stream.end({"not_found", "path not found: stat " + path + ": no such file or directory"});
  }
  if (machine.stat(path).type != EntryType::directory) {
    return stream.end({"invalid_argument", "path " + path + " not a directory"});
  }
  const bool deep = truthOf(member(&message, "recursive"));
  const auto watcher = machine.start(
      {.argv = {"python3", "-c", kScript, path, deep ? "1" : "0"}, .keepBytes = 0, .follow = true, .hidden = true});
  const auto reader = watcher->takeReader();
  if (reader) carryEvents(exchange, *reader, message, machine);
  watcher->signal(9);
}

void E2bFiles::carryEvents(Exchange& exchange, OutputLog::Reader& reader, const rapidjson::Value& message,
                           Machine& machine) {
  using State = OutputLog::Reader::State;
  constexpr std::chrono::milliseconds kLookAround{50};
  const std::string path = resolved(textOf(member(&message, "path")));
  const bool withEntry = truthOf(member(&message, "includeEntry"));
  RpcStream stream(exchange);
  OutputChunk chunk;
  std::string text;
  bool open = true;
  while (open && !exchange.stream.peerGone()) {
    const State state = reader.next(chunk, kLookAround);
    if (state == State::end) return exchange.cut();  // with the sandbox
    if (state == State::chunk && chunk.channel == Channel::standardOutput) text += chunk.bytes;
    for (std::size_t end = 0; open && (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      const std::string line = text.substr(0, end);
      open = stream.send(line == "ready" ? JsonObject().raw("start", "{}").text()
                                         : eventJson(machine, path, line, withEntry));
    }
  }
}

}  // namespace computesdk::simulators

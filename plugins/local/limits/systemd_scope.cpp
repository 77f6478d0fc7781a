#include "systemd_scope.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "bus_connection.hpp"

namespace computesdk::local::limits {
namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kFix =
    "Run inside a login session of systemd (loginctl enable-linger), or start the program as a service with "
    "Delegate=yes.";

Error scopeError(Error error) {
  error.message = "systemd gave no control group";
  error.fix = kFix;
  return error;
}

BusMessage managerCall(const char* member, const char* signature, std::string body) {
  BusMessage message;
  message.destination = kSystemd;
  message.path = kManagerPath;
  message.interface = kManager;
  message.member = member;
  message.signature = signature;
  message.body = std::move(body);
  return message;
}

void property(BusWriter& writer, const char* name, const char* type) {
  writer.align(8);
  writer.string(name);
  writer.signature(type);
}

// (s name, s mode, a(sv) properties, a(sa(sv)) auxiliary units)
std::string startBody(const std::string& unit, pid_t pid) {
  BusWriter writer;
  writer.string(unit);
  writer.string("fail");
  const auto properties = writer.beginArray(8);
  property(writer, "Description", "s");
  writer.string("Sandboxes of computesdk");
  property(writer, "PIDs", "au");
  const auto pids = writer.beginArray(4);
  writer.number(static_cast<std::uint32_t>(pid));
  writer.endArray(pids);
  property(writer, "Delegate", "b");
  writer.boolean(true);
  property(writer, "CollectMode", "s");
  writer.string("inactive-or-failed");
  writer.endArray(properties);
  writer.endArray(writer.beginArray(8));
  return writer.take();
}

Status watchJobs(BusConnection& bus) {
  BusMessage match;
  match.destination = "org.freedesktop.DBus";
  match.path = "/org/freedesktop/DBus";
  match.interface = "org.freedesktop.DBus";
  match.member = "AddMatch";
  match.signature = "s";
  BusWriter rule;
  rule.string(
      "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',"
      "member='JobRemoved'");
  match.body = rule.take();
  const auto matched = bus.call(std::move(match));
  if (!matched.ok()) return matched.error();
  const auto subscribed = bus.call(managerCall("Subscribe", "", {}));
  if (!subscribed.ok()) return subscribed.error();
  return okStatus();
}

Status waitForJob(BusConnection& bus, const std::string& job) {
  for (;;) {
    const auto signal = bus.nextSignal();
    if (!signal.ok()) return signal.error();
    if (signal->member != "JobRemoved" || signal->signature != "uoss") continue;
    BusReader reader(signal->body);
    reader.number();
    if (reader.string() != job) continue;
    reader.string();
    const std::string_view result = reader.string();
    if (reader.ok() && result == "done") return okStatus();
    return Error{.kind = ErrorClass::kUnavailable, .message = {}, .why = "its job ended as " + std::string(result)};
  }
}

Result<std::string> controlGroup(BusConnection& bus, const std::string& unit) {
  BusWriter name;
  name.string(unit);
  const auto found = bus.call(managerCall("GetUnit", "s", name.take()));
  if (!found.ok()) return found.error();
  BusReader path(found->body);
  BusMessage get;
  get.destination = kSystemd;
  get.path = std::string(path.string());
  get.interface = "org.freedesktop.DBus.Properties";
  get.member = "Get";
  get.signature = "ss";
  BusWriter wanted;
  wanted.string("org.freedesktop.systemd1.Scope");
  wanted.string("ControlGroup");
  get.body = wanted.take();
  const auto answer = bus.call(std::move(get));
  if (!answer.ok()) return answer.error();
  BusReader value(answer->body);
  const std::string_view type = value.signature();
  const std::string_view group = value.string();
  if (!value.ok() || type != "s" || group.size() < 2 || group[0] != '/' || group.find("..") != std::string_view::npos) {
    return Error{.kind = ErrorClass::kUnavailable, .message = {}, .why = "it named no control group"};
  }
  return std::string(group);
}

}  // namespace

std::string busAddress() {
  const auto at = [](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) ? "unix:path=" + path : std::string();
  };
  if (::geteuid() == 0) return at("/run/dbus/system_bus_socket");
  if (const char* address = std::getenv("DBUS_SESSION_BUS_ADDRESS"); address != nullptr && *address != 0) {
    return address;
  }
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime == nullptr || *runtime == 0 ? std::string() : at(std::string(runtime) + "/bus");
}

Result<std::string> startScope(std::string_view address, std::string_view unit, pid_t pid,
                               std::chrono::milliseconds timeout) {
  auto bus = BusConnection::open(address, BusConnection::Clock::now() + timeout);
  if (!bus.ok()) return scopeError(std::move(bus.error()));
  const std::string name = std::string(unit) + ".scope";
  if (Status watched = watchJobs(*bus); !watched.ok()) return scopeError(std::move(watched.error()));
  const auto started = bus->call(managerCall("StartTransientUnit", "ssa(sv)a(sa(sv))", startBody(name, pid)));
  if (!started.ok()) return scopeError(started.error());
  BusReader job(started->body);
  const std::string path(job.string());
  if (Status done = waitForJob(*bus, path); !done.ok()) return scopeError(std::move(done.error()));
  auto group = controlGroup(*bus, name);
  if (!group.ok()) return scopeError(std::move(group.error()));
  return group;
}

}  // namespace computesdk::local::limits

// What to write into which control file for given limits. Freestanding: the static helper may include it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace computesdk::local::limits {

enum class GroupKind : std::uint32_t { kNone, kV1, kV2 };

// A v1 hierarchy each; on v2 all of them are the one folder.
enum class Controller : std::uint8_t { kMemory, kCpu, kPids };
constexpr std::size_t kControllers = 3;
constexpr const char* kControllerNames[kControllers] = {"memory", "cpu", "pids"};

// One bit a controller.
using ControllerSet = std::uint32_t;
constexpr ControllerSet bitOf(Controller controller) { return ControllerSet{1} << static_cast<unsigned>(controller); }
constexpr bool holds(ControllerSet set, Controller controller) { return (set & bitOf(controller)) != 0; }

// 0 leaves that resource unlimited.
struct GroupLimits {
  std::uint64_t memoryBytes = 0;
  std::uint32_t processes = 0;
  std::uint32_t milliCpus = 0;  // 1000 = one core
};

struct Setting {
  Controller controller = Controller::kMemory;
  const char* file = "";
  char value[32] = {};
  std::uint8_t size = 0;
  // False: its absence weakens nothing that was promised (swap that is not accounted).
  bool required = true;
};

class Settings {
 public:
  static constexpr std::size_t kMost = 12;
  const Setting* begin() const { return list_; }
  const Setting* end() const { return list_ + count_; }
  std::size_t size() const { return count_; }

  Setting& add(Controller controller, const char* file, bool required) {
    Setting& setting = list_[count_ < kMost - 1 ? count_++ : count_];
    setting = Setting{};
    setting.controller = controller;
    setting.file = file;
    setting.required = required;
    return setting;
  }

 private:
  Setting list_[kMost];
  std::size_t count_ = 0;
};

inline void append(Setting& setting, const char* text) {
  while (*text != 0 && setting.size < sizeof setting.value - 1) setting.value[setting.size++] = *text++;
}
inline void append(Setting& setting, std::uint64_t number) {
  char digits[21] = {};
  std::size_t at = 20;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  append(setting, digits + at);
}

constexpr std::uint64_t kCpuPeriodMicroseconds = 100000;
constexpr std::uint64_t kLeastCpuQuota = 1000;  // the kernel refuses less

// In the order in which they must be written: on v1 memory+swap may never be below memory.
inline Settings settingsFor(GroupKind kind, const GroupLimits& limits) {
  Settings settings;
  if (kind == GroupKind::kNone) return settings;
  const bool v1 = kind == GroupKind::kV1;
  if (limits.memoryBytes != 0) {
    append(settings.add(Controller::kMemory, v1 ? "memory.limit_in_bytes" : "memory.max", true), limits.memoryBytes);
    if (v1) {
      append(settings.add(Controller::kMemory, "memory.memsw.limit_in_bytes", false), limits.memoryBytes);
      append(settings.add(Controller::kMemory, "memory.swappiness", false), std::uint64_t{0});
    } else {
      // Not memory.oom.group as well: process 1 would go too, and with it the disk. It ends the others itself.
      append(settings.add(Controller::kMemory, "memory.swap.max", false), std::uint64_t{0});
    }
  }
  if (limits.processes != 0) append(settings.add(Controller::kPids, "pids.max", true), std::uint64_t{limits.processes});
  if (limits.milliCpus != 0) {
    std::uint64_t quota = limits.milliCpus * kCpuPeriodMicroseconds / 1000;
    if (quota < kLeastCpuQuota) quota = kLeastCpuQuota;
    if (v1) {
      append(settings.add(Controller::kCpu, "cpu.cfs_period_us", true), kCpuPeriodMicroseconds);
      append(settings.add(Controller::kCpu, "cpu.cfs_quota_us", true), quota);
    } else {
      Setting& setting = settings.add(Controller::kCpu, "cpu.max", true);
      append(setting, quota);
      append(setting, " ");
      append(setting, kCpuPeriodMicroseconds);
    }
  }
  // Sandboxes share a busy machine evenly, and give way to what is not a sandbox (whose weight is 100 or 1024).
  Setting& weight = settings.add(Controller::kCpu, v1 ? "cpu.shares" : "cpu.weight", false);
  append(weight, std::uint64_t{v1 ? 512U : 50U});
  return settings;
}

}  // namespace computesdk::local::limits

// Hard memory and cpu limits, where the host could prepare a cgroup for this launcher.
#include "launcher.hpp"

namespace computesdk::local {
namespace {

using protocol::CgroupKind;

int put(int folder, const char* file, std::uint64_t value) {
  sys::Line<32> text;
  text << value;
  return sys::spill(folder, file, text.text(), text.size());
}

int limitMemory(int folder, std::uint64_t bytes) {
  if (launcher.config->cgroups == CgroupKind::kV1) {
    const int result = put(folder, "memory.limit_in_bytes", bytes);
    put(folder, "memory.memsw.limit_in_bytes", bytes);  // absent where swap is not accounted
    return result;
  }
  const int result = put(folder, "memory.max", bytes);
  put(folder, "memory.swap.max", 0);
  return result;
}

int limitCpu(int folder, std::uint32_t milliCpus) {
  constexpr std::uint64_t kPeriod = 100000;
  const std::uint64_t quota = milliCpus * kPeriod / 1000;
  if (launcher.config->cgroups == CgroupKind::kV1) {
    const int result = put(folder, "cpu.cfs_period_us", kPeriod);
    return result < 0 ? result : put(folder, "cpu.cfs_quota_us", quota < 1000 ? 1000 : quota);
  }
  sys::Line<64> text;
  text << (quota < 1000 ? 1000 : quota) << " " << kPeriod;
  return sys::spill(folder, "cpu.max", text.text(), text.size());
}

// Makes (or, on v2, finds) the sandbox's folder below `parent` and opens it.
int open(int parent, const char* id) {
  const int made = sys::makeDirAt(parent, id, 0755);
  if (made < 0 && made != -sys::kEexist) return made;
  return sys::openAt(parent, id, O_RDONLY | O_DIRECTORY);
}

}  // namespace

int enterCgroups(Box& box, const protocol::CreateBody& spec, Birth& birth) {
  const Config& config = *launcher.config;
  const bool v2 = config.cgroups == CgroupKind::kV2;
  if ((spec.flags & protocol::kCreateHardMemory) != 0 && config.memoryCgroup >= 0) {
    const int folder = open(config.memoryCgroup, box.id);
    if (folder < 0) return folder;
    box.memoryCgroup = true;
    int result = limitMemory(folder, spec.memoryBytes);
    birth.oomControl = sys::openAt(folder, v2 ? "memory.events" : "memory.oom_control", O_RDONLY);
    birth.cgroupFiles[0] = sys::openAt(folder, "cgroup.procs", O_WRONLY);
    if (result == 0 && birth.cgroupFiles[0] < 0) result = birth.cgroupFiles[0];
    sys::closeFd(folder);
    if (result < 0) return result;
  }
  if (spec.milliCpus > 0 && config.cpuCgroup >= 0 && (spec.flags & protocol::kCreatePinCpus) == 0) {
    const int folder = open(config.cpuCgroup, box.id);
    if (folder < 0) return folder;
    box.cpuCgroup = true;
    int result = limitCpu(folder, spec.milliCpus);
    if (!v2 || !box.memoryCgroup) {
      birth.cgroupFiles[1] = sys::openAt(folder, "cgroup.procs", O_WRONLY);
      if (result == 0 && birth.cgroupFiles[1] < 0) result = birth.cgroupFiles[1];
    }
    sys::closeFd(folder);
    if (result < 0) return result;
  }
  return 0;
}

void leaveCgroups(Box& box) {
  if (box.memoryCgroup) sys::unlinkAt(launcher.config->memoryCgroup, box.id, 0x200 /* AT_REMOVEDIR */);
  if (box.cpuCgroup) sys::unlinkAt(launcher.config->cpuCgroup, box.id, 0x200);
  box.memoryCgroup = box.cpuCgroup = false;
}

}  // namespace computesdk::local

// vendor_bench: what the providers of vendors ask of a service and add to it, through the public API, against the
// simulators. Each vendor whose simulator and provider are built, in each of its placements, in a process of its own.
//
//   vendor_bench --n N [VENDOR…]    prints METRIC VALUE, a line a sample; names begin with the vendor, `e2b/` in
//                                   process and `e2b.isolated/` in a process of its own
//     OPERATION_requests            create, exec, write_1k, read_1k, list, url, destroy: requests,
//     OPERATION_sent _received      and bytes on the wire, heads included, from us and to us
//     first_command                 requests of a new Compute from create to the end of the first command
//     official_first_command        the same of the vendor's own client, by its simplest call (official.json)
//     official_first_live_command   by the call that hands on stdout and stderr apart while the command runs, as ours
//                                   does
//     exec  exec_by_hand            nanoseconds: /bin/true by runCommand; the same requests on a plain kept socket. The
//                                   simulator has the answers ready: what differs is our work alone
//     exec_program  exec_program_by_hand   the same where it really starts a program; both not for a vendor whose
//                                   requests hold ids that are used once
//     in_a_row_connections          connections opened for 1000 execs one after the other
//     in_a_row_requests             their requests
//     at_once_threads               200 execs at once: threads of this program, the 200 callers included, and of plug-
//                                   ins
//     at_once_resident              bytes: (resident during - before) / 200, of the same processes
//
// A failure anywhere ends it with exit code 1, after the others have been measured.
#include "measure.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace computesdk::bench {
namespace {

namespace fs = std::filesystem;
using conformance::Child;
using conformance::Places;
using conformance::Problem;
using conformance::Target;
using conformance::Value;

// One vendor in one placement, all of it; several times what it takes on an idle machine.
constexpr std::chrono::minutes kLimit{15};

Places places() {
  const fs::path programs = fs::read_symlink("/proc/self/exe").parent_path();
  return {{programs.parent_path() / "lib/computesdk/providers"}, {programs}};
}

bool built(const Target& target) {
  const Places all = places();
  return !target.simulator.empty() && fs::exists(fs::path(all.programs[0]) / target.simulator) &&
         fs::exists(fs::path(all.plugins[0]) / (target.provider + ".provider.json"));
}

std::string prefixOf(const Target& target, const std::string& placement) {
  return placement == "in-process" ? target.name : target.name + "." + placement;
}

class Scratch {
 public:
  Scratch() : path_((fs::temp_directory_path() / "csdk-vendor-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw Problem(path_ + ": cannot be made");
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Measures in a new process, so that neither an earlier vendor's threads nor its memory are counted.
bool inAProcess(const Target& target, const std::string& placement, const std::string& samples) {
  const Scratch scratch;
  const conformance::Simulator simulator(target.simulator, places());
  Child::Options options;
  options.argv = {
      fs::read_symlink("/proc/self/exe"), "--one", target.file, placement, scratch.path(), simulator.url(), samples};
  options.environment = conformance::caseEnvironment(target, scratch.path());
  Child child(options);
  while (const auto line = child.readLine(kLimit)) std::printf("%s\n", line->c_str());
  std::fflush(stdout);
  if (const auto status = child.wait(std::chrono::seconds(30)); status == 0) return true;
  std::fprintf(stderr, "vendor_bench: %s, %s, was not measured\n", target.name.c_str(), placement.c_str());
  return false;
}

int one(char** words) {
  const Target target = Target::load(words[0]);
  const std::string placement = words[1];
  conformance::World world(target, placement, places(), words[2], words[3]);
  measure(world, prefixOf(target, placement), static_cast<int>(std::strtol(words[4], nullptr, 10)));
  return 0;
}

int all(const std::string& samples, const std::vector<std::string>& wanted) {
  std::vector<fs::path> files(fs::directory_iterator(VENDOR_BENCH_TARGETS), fs::directory_iterator());
  std::ranges::sort(files);
  const Value official = Value::readFile(VENDOR_BENCH_OFFICIAL);
  bool good = true;
  for (const fs::path& file : files) {
    const Target target = Target::load(file);
    if (!built(target) || (!wanted.empty() && std::ranges::find(wanted, target.name) == wanted.end())) continue;
    for (const std::string& placement : target.placements) {
      good = inAProcess(target, placement, samples) && good;
      const Value& client = official.at(target.name);
      const Value& plain = client.at("first_command");
      const Value* live = client.find("first_live_command");
      const std::string prefix = prefixOf(target, placement);
      std::printf("%s/official_first_command %zu\n", prefix.c_str(), plain.asArray().size());
      std::printf("%s/official_first_live_command %zu\n", prefix.c_str(),
                  (live != nullptr ? *live : plain).asArray().size());
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace computesdk::bench

int main(int argc, char** argv) {
  const bool usual = argc >= 3 && std::strcmp(argv[1], "--n") == 0 && std::strtol(argv[2], nullptr, 10) > 0;
  const bool single = argc == 7 && std::strcmp(argv[1], "--one") == 0;
  if (!usual && !single) {
    std::fprintf(stderr, "usage: vendor_bench --n N [VENDOR...]\n");
    return 2;
  }
  try {
    return single ? computesdk::bench::one(argv + 2) : computesdk::bench::all(argv[2], {argv + 3, argv + argc});
  } catch (const computesdk::Error& error) {
    std::fprintf(stderr, "%s\n", computesdk::formatError(error.info()).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vendor_bench: %s\n", error.what());
  }
  return 1;
}

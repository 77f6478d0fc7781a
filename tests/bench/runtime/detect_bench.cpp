// detect/13_manifests: a new Compute finds its provider among thirteen manifests; no library is opened.
#include <computesdk/computesdk.hpp>

#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "scratch_folder.hpp"

namespace {

using namespace computesdk;

void fill(const std::filesystem::path& folder) {
  for (int i = 0; i < 13; ++i) {
    const std::string name = "vendor" + std::to_string(i);
    std::ofstream(folder / (name + ".provider.json"))
        << R"({"manifest_version":1,"name":")" << name
        << R"(","title":"Vendor","version":"1.0.0","library":{"linux-x86_64-gnu":")" << name
        << R"(.so"},"abi":{"major":1,"min_minor":0},"detect":{"any_of":[{"all_of":["VENDOR)" << i
        << R"(_API_KEY"]}]},"capabilities":["exec"]})";
    std::ofstream(folder / (name + ".so")) << "no library";
  }
}

void detect(benchmark::State& state) {
  const bench::ScratchFolder folder;
  fill(folder.path());
  ComputeConfig config;
  config.providerPaths = {folder.path()};
  config.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "VENDOR7_API_KEY") return "key";
    return std::nullopt;
  };
  for (auto _ : state) {
    Compute compute(config);
    const auto report = compute.detect(nothrow);
    if (!report || report->selected != "vendor7") state.SkipWithError("vendor7 was not found");
    benchmark::DoNotOptimize(report);
  }
}

BENCHMARK(detect)->Name("detect/13_manifests")->UseRealTime();

}  // namespace

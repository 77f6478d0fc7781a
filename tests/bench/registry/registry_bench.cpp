// What the registry adds to a call of a plug-in. All run a null `exec` that writes one byte and ends:
//   registry/table      the plug-in's own table, called bare with a host that does nothing
//   registry/inline     Provider::exec, the plug-in on the caller's thread
//   registry/pool       Provider::exec, the plug-in on a thread of its pool
//   registry/isolated   Provider::exec, the plug-in in a process of its own
#include <computesdk/plugin.h>
#include <computesdk/registry/loader.hpp>

#include <benchmark/benchmark.h>

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace computesdk;
using namespace computesdk::registry;

template <typename T>
T mustHave(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", formatError(result.error()).c_str());
    std::exit(1);
  }
  return std::move(*result);
}

std::shared_ptr<Manifest> manifestOf(bool inlineCalls) {
  auto manifest = std::make_shared<Manifest>();
  manifest->name = "null";
  manifest->library = REGISTRY_BENCH_PLUGIN;
  manifest->inlineCalls = inlineCalls;
  return manifest;
}

void table(benchmark::State& state) {
  csdk_host host{};
  host.struct_size = sizeof host;
  host.write = [](const csdk_host*, csdk_call, std::uint32_t, csdk_bytes) -> csdk_status { return CSDK_OK; };
  host.exit = [](const csdk_host*, csdk_call, const csdk_exit*) -> csdk_status { return CSDK_OK; };
  void* library = ::dlopen(REGISTRY_BENCH_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return state.SkipWithError(::dlerror());
  const auto entry = reinterpret_cast<csdk_plugin_entry_fn>(::dlsym(library, CSDK_ENTRY_SYMBOL));
  const csdk_plugin* plugin = entry(nullptr);
  csdk_provider* provider = nullptr;
  plugin->provider_open(&host, 1, nullptr, &provider);
  const csdk_str words[] = {{"true", 4}};
  csdk_exec_args args{};
  args.struct_size = sizeof args;
  args.target.id = {"sandbox", 7};
  args.argv = {words, 1};
  for (auto _ : state) benchmark::DoNotOptimize(plugin->exec(provider, 1, &args));
  plugin->provider_close(provider);
}

void runExec(benchmark::State& state, Provider& provider) {
  const Target target{"sandbox", "token"};
  const std::vector<std::string> words = {"true"};
  ExecRequest request;
  request.argv = words;
  const CallContext context;
  std::size_t bytes = 0;
  const OutputFunction output = [&bytes](OutputStream, std::span<const std::byte> data) { bytes += data.size(); };
  for (auto _ : state) benchmark::DoNotOptimize(mustHave(provider.exec(target, request, output, context)));
  benchmark::DoNotOptimize(bytes);
}

void inProcess(benchmark::State& state, bool inlineCalls) {
  const auto manifest = manifestOf(inlineCalls);
  LoadedPlugin* plugin = mustHave(loadInProcess(*manifest, {manifest->library, -1, false}));
  runExec(state, *mustHave(openInProcess(*plugin, manifest, {}, {}, true)));
}

void isolated(benchmark::State& state) {
  const auto manifest = manifestOf(false);
  runExec(state, *mustHave(openIsolated(manifest, {manifest->library, -1, false}, {}, {})));
}

BENCHMARK(table)->Name("registry/table")->UseRealTime();
BENCHMARK_CAPTURE(inProcess, inlined, true)->Name("registry/inline")->UseRealTime();
BENCHMARK_CAPTURE(inProcess, pooled, false)->Name("registry/pool")->UseRealTime();
BENCHMARK(isolated)->Name("registry/isolated")->UseRealTime();

}  // namespace

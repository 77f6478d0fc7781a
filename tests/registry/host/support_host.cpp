#include "support_host.hpp"

namespace computesdk::registry {

std::shared_ptr<Manifest> fakeManifest(const FakeOptions& options) {
  auto manifest = std::make_shared<Manifest>();
  manifest->name = "fake";
  manifest->library = std::filesystem::path(REGISTRY_FAKES) / options.library;
  manifest->library += ".so";
  manifest->inlineCalls = options.mode == Mode::inlined;
  const bool async = options.mode == Mode::async || options.mode == Mode::isolatedAsync;
  manifest->threading = async ? Threading::async : Threading::blocking;
  manifest->serialize = options.serialize;
  manifest->secrets = options.secrets;
  return manifest;
}

Result<std::shared_ptr<Provider>> openFake(const FakeOptions& options, Lines* lines) {
  const std::shared_ptr<Manifest> manifest = fakeManifest(options);
  const LibraryFile library{manifest->library, -1, false};
  HostHooks hooks;
  hooks.grace = options.grace;
  if (lines != nullptr) hooks.log = [lines](const LogRecord& record) { lines->add(record); };
  const ResolvedConfig config = {{"api_key", options.apiKey, true}};
  if (options.mode == Mode::isolated || options.mode == Mode::isolatedAsync) {
    return openIsolated(manifest, library, config, hooks);
  }
  auto plugin = loadInProcess(*manifest, library);
  if (!plugin) return std::move(plugin).error();
  return openInProcess(**plugin, manifest, config, hooks, true);
}

std::shared_ptr<Provider> mustOpen(const FakeOptions& options, Lines* lines) {
  auto opened = openFake(options, lines);
  if (!opened) {
    ADD_FAILURE() << formatError(opened.error());
    return nullptr;
  }
  return *opened;
}

Ran runFake(Provider& provider, std::vector<std::string> words, const CallContext& context, const ExecRequest& base) {
  Ran ran;
  ExecRequest request = base;
  request.argv = words;
  ran.exit = provider.exec(
      kTarget, request,
      [&ran](OutputStream stream, std::span<const std::byte> data) {
        auto& text = stream == OutputStream::standardError ? ran.err : ran.out;
        text.append(reinterpret_cast<const char*>(data.data()), data.size());
      },
      context);
  return ran;
}

std::string modeName(const ::testing::TestParamInfo<Mode>& info) {
  static const char* const names[] = {"inlined", "pooled", "async", "isolated", "isolatedAsync"};
  return names[static_cast<int>(info.param)];
}

}  // namespace computesdk::registry

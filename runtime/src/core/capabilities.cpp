#include "core/sandbox_state.hpp"

namespace computesdk::detail {

Capabilities capabilitiesOf(const registry::Provider& provider, bool namedStore) {
  const registry::ProviderFeatures& has = provider.features();
  auto native = [](bool yes) { return yes ? Support::native : Support::none; };
  auto nativeOr = [](bool yes, bool otherwise) {
    return yes ? Support::native : otherwise ? Support::emulated : Support::none;
  };
  const bool files =
      has.fsRead && has.fsWrite && has.fsList && has.fsStat && has.fsMkdir && has.fsRemove && has.fsRename;
  Capabilities can;
  can.provider = provider.name();
  can.placement = provider.placement();
  can.runCommand = native(has.exec);
  can.runCode = nativeOr(false, has.exec);
  can.filesystem = nativeOr(files, has.exec);
  can.background = nativeOr(has.process, has.exec);
  can.processes = native(has.process);
  can.pty = native(has.pty);
  can.getUrl = native(has.url);
  can.dialPort = native(has.port);
  can.list = native(has.list);
  can.getById = native(has.inspect);
  can.named = nativeOr(has.named, namedStore && has.inspect);
  can.extendTimeout = native(has.extend);
  can.pause = native(has.pause);
  can.resume = native(has.resume || has.attach);
  can.snapshot = native(has.snapshot);
  can.templates = native(has.templates);
  can.vendorCall = native(has.vendorCall);
  return can;
}

}  // namespace computesdk::detail

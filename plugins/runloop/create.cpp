// What is asked for, in Runloop's words.
#include "common/text.hpp"
#include "common/time.hpp"
#include "runloop/devbox.hpp"

#include <algorithm>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using plugin::view;
using vendor::JsonValue;

constexpr std::int64_t kDefaultSeconds = 1800;
constexpr std::int64_t kGiB = std::int64_t{1} << 30;

void refuseWhatCannotBe(const csdk_create_args& args) {
  if (args.image.size != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "Runloop makes devboxes of blueprints and snapshots, not of images")
        .fix("make a blueprint whose Dockerfile begins with the image, and name it with --template");
  }
  if (args.timeout_ms < 0) {
    throw Error(CSDK_UNIMPLEMENTED, "a Runloop devbox always ends after some time")
        .fix("give a timeout (48 hours at most) and extend it while you need the devbox");
  }
  if (args.template_id.size != 0 && args.snapshot_id.size != 0) {
    throw Error(CSDK_INVALID_ARGUMENT, "both a template and a snapshot were given").fix("give one of them");
  }
  if ((args.flags & CSDK_CREATE_NETWORK) != 0 && args.network == CSDK_NETWORK_NONE) {
    throw Error(CSDK_UNIMPLEMENTED, "a Runloop devbox has no network only by a network policy of the account")
        .fix("make such a policy at Runloop and name it with the vendor option launch_parameters.network_policy_id");
  }
  if ((args.flags & CSDK_CREATE_LIMITS) != 0 && args.process_limit != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "Runloop cannot limit the number of processes").errorClass(CSDK_ERROR_LIMIT);
  }
}

Error badSize(std::string_view what) {
  return Error(CSDK_UNIMPLEMENTED, "Runloop has no devboxes with " + std::string(what))
      .errorClass(CSDK_ERROR_LIMIT)
      .fix(
          "CPUs: 0.5, 1 or an even number up to 16; memory: 1 GiB or an even number up to 64, 2 to 8 times the CPUs; "
          "disk: an even number of GiB up to 64");
}

/// Whole GiB that Runloop has; 0 for none asked for.
std::int64_t gibOf(std::int64_t bytes, bool oneToo, std::string_view what) {
  if (bytes == 0) return 0;
  const std::int64_t gib = bytes / kGiB;
  const bool even = gib % 2 == 0 || (oneToo && gib == 1);
  if (bytes % kGiB != 0 || gib < 1 || gib > 64 || !even) throw badSize(what);
  return gib;
}

/// A size of its own. Where only one of CPUs and memory was asked for, the other is four times or a quarter of it.
void setSize(const csdk_create_args& args, JsonValue& launch) {
  if (args.cpu_milli == 0 && args.memory_bytes == 0 && args.disk_bytes == 0) return;
  const std::int64_t disk = gibOf(args.disk_bytes, false, "a disk of that size");
  std::int64_t memory = gibOf(args.memory_bytes, true, "memory of that size");
  std::int64_t milli = args.cpu_milli;
  const bool coresKnown = milli == 0 || milli == 500 || milli == 1000 || (milli % 2000 == 0 && milli <= 16000);
  if (!coresKnown || milli < 0) throw badSize("so many CPUs");
  if (milli == 0) milli = memory == 0 ? 1000 : memory <= 2 ? 500 : memory <= 6 ? 1000 : (memory + 7) / 8 * 2000;
  if (memory == 0) memory = std::max<std::int64_t>(2, milli * 4 / 1000);
  if (memory * 1000 < milli * 2 || memory * 1000 > milli * 8) throw badSize("so much memory for so many CPUs");
  launch.set("resource_size_request", "CUSTOM_SIZE");
  if (milli == 500) {
    launch.set("custom_cpu_cores", 0.5);
  } else {
    launch.set("custom_cpu_cores", milli / 1000);
  }
  launch.set("custom_gb_memory", memory);
  if (disk != 0) launch.set("custom_disk_size", disk);
}

}  // namespace

JsonValue createBody(const csdk_create_args& args) {
  refuseWhatCannotBe(args);
  JsonValue body = JsonValue::object();
  body.setText("name", view(args.name));
  if (args.env.count != 0) body.set("environment_variables", JsonValue::of(args.env));
  JsonValue metadata = JsonValue::of(args.metadata);
  if (args.idempotency_key.size != 0) metadata.set(kCreateLabel, view(args.idempotency_key));
  body.set("metadata", std::move(metadata));
  JsonValue launch = JsonValue::object();
  launch.set("keep_alive_time_seconds", args.timeout_ms > 0 ? vendor::ceilSeconds(args.timeout_ms) : kDefaultSeconds);
  if ((args.flags & CSDK_CREATE_LIMITS) != 0) setSize(args, launch);
  body.set("launch_parameters", std::move(launch));
  const std::string_view from = args.snapshot_id.size != 0 ? view(args.snapshot_id) : view(args.template_id);
  if (args.snapshot_id.size != 0 || from.starts_with("snp_")) {
    body.setText("snapshot_id", from);
  } else {
    body.setText(from.starts_with("bpt_") ? "blueprint_id" : "blueprint_name", from);
  }
  body.setOptions(args.options, {"shell_name"});
  return body;
}

}  // namespace computesdk::runloop

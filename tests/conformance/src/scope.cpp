#include "scope.hpp"

#include "match.hpp"

#include <array>
#include <chrono>

namespace computesdk::conformance {

void Transcript::add(bool error, std::string_view chunk) {
  const std::lock_guard lock(mutex_);
  (error ? err_ : out_) += chunk;
  if (!order_.empty() && order_.back().first == error) {
    order_.back().second += chunk;
  } else {
    order_.emplace_back(error, chunk);
  }
  grown_.notify_all();
}

bool Transcript::await(bool error, const std::string& text, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return grown_.wait_for(lock, limit, [&] { return (error ? err_ : out_).find(text) != std::string::npos; });
}

Value Transcript::value() const {
  const std::lock_guard lock(mutex_);
  Value order(Value::Array{});
  for (const auto& [error, text] : order_) {
    Value chunk;
    chunk.set("stream", error ? "stderr" : "stdout").set("text", text);
    order.add(std::move(chunk));
  }
  Value out;
  out.set("stdout", out_).set("stderr", err_).set("order", std::move(order));
  return out;
}

Stopper::Stopper(const Value* when, std::mt19937_64& random) {
  if (when == nullptr) return;
  onlyKeys(*when, {"after_ms", "within_ms", "output"}, "stop");
  output_ = when->text("output");
  std::int64_t micros = when->integer("after_ms", -1) * 1000;
  if (const Value* within = when->find("within_ms"))
    micros = std::uniform_int_distribution<std::int64_t>(0, within->asInt() * 1000)(random);
  if (micros < 0) return;
  timer_ = std::jthread([this, micros](const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    done_.wait_for(lock, stop, std::chrono::microseconds(micros), [] { return false; });
    if (!stop.stop_requested()) source_.request_stop();
  });
}

Stopper::~Stopper() = default;

void Stopper::saw(std::string_view output) {
  if (output_.empty()) return;
  const std::lock_guard lock(mutex_);
  seen_ += output;
  if (seen_.find(output_) != std::string::npos) source_.request_stop();
}

Sandbox& Step::sandbox() const {
  const std::string wanted = whole.text("on", "box");
  const auto found = scope.sandboxes.find(wanted);
  if (found == scope.sandboxes.end()) throw Problem("there is no sandbox called " + wanted);
  return *found->second;
}

std::string Step::name(std::string_view otherwise) const { return whole.text("as", otherwise); }

RunningCommand& Step::command() const {
  const std::string wanted = arguments.text("of", "command");
  const auto found = scope.commands.find(wanted);
  if (found == scope.commands.end()) throw Problem("there is no command called " + wanted);
  return *found->second;
}

Value exitValue(const ExitStatus& status) {
  static constexpr std::array kKinds = {"code", "signal", "timeout", "unknown"};
  Value out;
  out.set("exit", status.exitCode()).set("kind", kKinds.at(static_cast<std::size_t>(status.kind)));
  out.set("merged", status.merged).set("lossy", status.lossy);
  return out;
}

Value infoValue(const SandboxInfo& info) {
  using namespace std::chrono;
  const auto now = time_point_cast<milliseconds>(system_clock::now());
  Value out;
  out.set("id", info.id).set("provider", info.provider).set("name", info.name).set("namespace", info.namespace_);
  out.set("status", toString(info.status)).set("network", toString(info.network));
  if (info.createdAt) out.set("age_ms", static_cast<std::int64_t>((now - *info.createdAt).count()));
  if (info.expiresAt) out.set("expires_in_ms", static_cast<std::int64_t>((*info.expiresAt - now).count()));
  out.set("never_expires", info.neverExpires).set("working_directory", info.workingDirectory);
  out.set("template", info.templateId).set("image", info.image).set("memory_bytes", info.memoryBytes);
  out.set("cpu_milli", info.cpuMilli).set("isolation", info.isolation);
  Value metadata(Value::Object{});
  for (const auto& [key, value] : info.metadata) metadata.set(key, value);
  return out.set("metadata", std::move(metadata));
}

Value errorValue(const ErrorInfo& error) {
  Value out;
  out.set("code", codeName(error.code)).set("what", error.what).set("why", error.why).set("fix", error.fix);
  out.set("provider", error.provider).set("sandbox", error.sandboxId).set("whole", formatError(error));
  out.set("retryable", error.retryable).set("maybe_applied", error.maybeApplied).set("orphan_gone", error.orphanGone);
  out.set("retry_after_ms", static_cast<std::int64_t>(error.retryAfter.count()));
  out.set("http_status", error.vendorHttpStatus).set("vendor_text", error.vendorText);
  return out;
}

StringMap stringMap(const Value* object) {
  StringMap out;
  if (object == nullptr) return out;
  for (const auto& [key, value] : object->asObject()) out[key] = bytesOf(value);
  return out;
}

OptionMap optionMap(const Value* object) {
  OptionMap out;
  if (object == nullptr) return out;
  for (const auto& [key, value] : object->asObject()) {
    if (value.isBool()) {
      out[key] = value.asBool();
    } else if (value.isInt()) {
      out[key] = value.asInt();
    } else if (value.isNumber()) {
      out[key] = value.asNumber();
    } else if (value.isString()) {
      out[key] = value.asString();
    } else {
      out[key] = Json{value.print()};
    }
  }
  return out;
}

Verb findVerb(std::string_view name) {
  for (const auto group : {sandboxVerb, commandVerb, fileVerb, processVerb, outsideVerb, controlVerb}) {
    if (Verb found = group(name)) return found;
  }
  return nullptr;
}

}  // namespace computesdk::conformance

#include "server.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace computesdk::plugin_host {

using namespace registry::host;
using registry::CallContext;

namespace {

constexpr std::size_t kMostCalls = 2048;

class TableBackend final : public Backend {
 public:
  TableBackend(const PluginTables& tables, csdk_provider* provider) : tables_(tables), provider_(provider) {}
  csdk_status start(Op op, csdk_call call, const void* args) override {
    return opInfo(op).invoke(tables_, provider_, call, args);
  }

 private:
  const PluginTables& tables_;
  csdk_provider* const provider_;
};

csdk_error toError(const CallFailure& failure) {
  csdk_error error{};
  error.struct_size = sizeof error;
  error.flags = failure.flags;
  error.error_class = failure.errorClass;
  error.http_status = failure.httpStatus;
  error.retry_after_ms = failure.retryAfterMs;
  error.message = toStr(failure.message);
  error.fix = toStr(failure.fix);
  error.vendor_code = toStr(failure.vendorCode);
  error.raw = toStr(failure.raw);
  error.request_id = toStr(failure.requestId);
  return error;
}

/// The secrets of a configuration that came over the wire.
std::shared_ptr<const SecretStore> secretsOf(const csdk_open_args& args) {
  std::size_t bytes = 0;
  const auto each = [&args](auto take) {
    for (std::size_t i = 0; i < args.config.count; ++i) {
      const csdk_option& option = args.config.items[i];
      if ((option.flags & CSDK_OPTION_SECRET) != 0 && (option.flags & CSDK_OPTION_SECRET_REF) == 0) take(option);
    }
  };
  each([&bytes](const csdk_option& option) { bytes += option.s.size; });
  auto store = std::make_shared<SecretStore>(bytes);
  each([&store](const csdk_option& option) { store->add(view(option.s)); });
  return store;
}

}  // namespace

Server::Server(Channel& channel, const PluginTables& tables, std::string name, bool async)
    : channel_(channel), tables_(tables), name_(std::move(name)), async_(async) {}

void Server::run() {
  while (const auto frame = channel_.receive()) handle(*frame);
  close();
}

void Server::close() {
  if (!engine_) return;
  {
    std::lock_guard lock(mutex_);
    if (!calls_.empty()) return;
  }
  pool_.reset();
  if (engine_->stuck() == 0) tables_.plugin.provider_close(provider_);
}

void Server::protocolError() {
  std::fputs("the host broke the protocol\n", stderr);
  ::_exit(1);
}

std::shared_ptr<ServedCall> Server::find(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(number);
  return found == calls_.end() ? nullptr : found->second;
}

void Server::handle(const Frame& frame) {
  if (frame.type == FrameType::open) return open(frame);
  if (!engine_) protocolError();
  if (frame.type == FrameType::call || frame.type == FrameType::argument) return begin(frame);
  if (frame.type == FrameType::http) {
    if (!http_ || !http_->handle(frame)) protocolError();
    return;
  }
  // What comes for a call that has just ended crossed its end on the way.
  const std::shared_ptr<ServedCall> call = find(frame.call);
  const auto count = readCount(frame.body);
  switch (frame.type) {
    case FrameType::cancel:
      if (call) call->cancel();
      return;
    case FrameType::credit:
      if (!count) protocolError();
      if (call) call->addCredit(*count);
      return;
    case FrameType::input:
      if (call) call->addInput(textOf(frame.body));
      return;
    case FrameType::inputEnd:
      if (call) call->endInput();
      return;
    default: protocolError();
  }
}

void Server::open(const Frame& frame) {
  if (engine_) protocolError();
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kOpenArgs, frame.body, memory);
  if (!decoded) protocolError();
  const auto& args = *static_cast<const csdk_open_args*>(decoded->value);
  registry::HostHooks hooks;
  hooks.log = [this](const registry::LogRecord& record) {
    channel_.send(FrameType::log, static_cast<std::uint16_t>(record.level), 0, record.message);
  };
  host_ = &keepContext(name_, async_, std::move(hooks), secretsOf(args));
  if ((frame.flags & kOpenHttp) != 0) host_->setHttp(http_ = std::make_shared<HttpLine>(channel_));
  CallFailure failure;
  const csdk_status status = openTable(tables_, *host_, args, provider_, failure);
  if (status == CSDK_OK) {
    backend_ = std::make_unique<TableBackend>(tables_, provider_);
    EngineOptions options;
    // On the threads of the pool here; those that serve an asynchronous plug-in hand on what it pushes meanwhile.
    options.inlineCalls = !async_;
    options.queued = async_;
    engine_ = std::make_unique<Engine>(*host_, *backend_, options);
    pool_ = std::make_unique<LanePool>(name_, PoolLimits{}, [this](const LanePool::Job& job) {
      if (auto call = find(job.call)) serve(call, job.call);
    });
  } else {
    fail(frame.call, failure);
  }
  complete(frame.call, status);
}

void Server::begin(const Frame& frame) {
  std::shared_ptr<ServedCall> call = find(frame.call);
  if (!call) {
    call = std::make_shared<ServedCall>(channel_, frame.call);
    std::lock_guard lock(mutex_);
    if (calls_.size() >= kMostCalls) protocolError();
    calls_.emplace(frame.call, call);
  }
  if (frame.type == FrameType::argument) {
    if (!call->addArgument(frame.flags, textOf(frame.body))) protocolError();
    return;
  }
  if (call->args() != nullptr || frame.flags == 0 || frame.flags >= kOps) protocolError();
  const auto op = static_cast<Op>(frame.flags);
  if (!call->decode(op, frame.body)) protocolError();
  if (pool_->submit(opInfo(op).lane, {frame.call, op, nullptr})) return;
  {
    std::lock_guard lock(mutex_);
    calls_.erase(frame.call);
  }
  complete(frame.call, CSDK_RESOURCE_EXHAUSTED);
}

void Server::serve(const std::shared_ptr<ServedCall>& call, std::uint64_t number) {
  CallContext context;
  context.stop = call->stopToken();
  if (call->deadlineNs() != 0) {
    context.deadline = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(call->deadlineNs()));
  }
  const CallEnd end = engine_->run(call->op(), call->args(), *call, call->input(), context);
  if (end.status < 0) fail(number, end.failure);
  {
    std::lock_guard lock(mutex_);
    calls_.erase(number);
  }
  complete(number, end.status);
}

void Server::fail(std::uint64_t call, const CallFailure& failure) {
  if (!failure.described) return;
  const csdk_error error = toError(failure);
  std::string body;
  encodeStruct(resultStruct(ResultKind::error), &error, body);
  channel_.send(FrameType::result, static_cast<std::uint16_t>(ResultKind::error), call, body);
}

void Server::complete(std::uint64_t call, csdk_status status) {
  CompleteBody body{};
  body.status = status;
  if (host_ != nullptr) {
    const std::uint64_t now = host_->misbehaviour.load();
    body.misbehaviour = static_cast<std::int64_t>(now - reportedMisbehaviour_.exchange(now));
  }
  std::string bytes;
  encodeStruct(kCompleteBody, &body, bytes);
  channel_.send(FrameType::complete, 0, call, bytes);
}

}  // namespace computesdk::plugin_host

#include "core/lookup.hpp"

#include "core/create.hpp"
#include "core/errors.hpp"
#include "core/validate.hpp"

#include <algorithm>

namespace computesdk::detail {
namespace {

/// One place where a sandbox may be.
struct Place {
  std::string provider;
  std::optional<RememberedSandbox> known;
};

Result<std::vector<Place>> placesOf(Setup& setup, std::string_view id, std::string_view explicitProvider) {
  std::vector<RememberedSandbox> known = setup.memory().find(id);
  if (!explicitProvider.empty()) {
    std::erase_if(known, [&](const RememberedSandbox& each) { return each.provider != explicitProvider; });
  }
  if (known.size() > 1) {
    ErrorInfo error;
    error.code = ErrorCode::conflict;
    error.what = "cannot tell which sandbox " + std::string(id) + " is";
    error.why = "it is remembered at " + known[0].provider + " and at " + known[1].provider;
    error.fix = "name the provider: LookupOptions::provider, or --provider";
    return error;
  }
  if (known.size() == 1) return std::vector<Place>{{known[0].provider, known[0]}};
  auto names = setup.lookupOrder(explicitProvider);
  if (!names) return std::move(names).error();
  std::vector<Place> places;
  for (std::string& name : *names) places.push_back({std::move(name), {}});
  return places;
}

bool carries(const SandboxInfo& info, const StringMap& metadata) {
  return std::ranges::all_of(metadata, [&](const auto& wanted) {
    auto found = info.metadata.find(wanted.first);
    return found != info.metadata.end() && found->second == wanted.second;
  });
}

void nameFromMetadata(SandboxInfo& info) {
  if (!info.metadata.contains("parent_sandbox_id")) return;
  auto name = info.metadata.find("name");
  auto nameSpace = info.metadata.find("namespace");
  if (name == info.metadata.end() || nameSpace == info.metadata.end()) return;
  info.name = name->second;
  info.namespace_ = nameSpace->second;
}

Result<void> listOn(Setup& setup, const std::string& name, const ListOptions& options, std::vector<SandboxInfo>& all) {
  auto provider = setup.provider(name);
  if (!provider) return std::move(provider).error();
  if (!(*provider)->features().list) return listUnsupported(name);
  RequestId requestId;
  nextRequestId(requestId);
  registry::CallContext context;
  context.stop = options.stop;
  context.deadline = deadlineIn(kControlTime);
  context.requestId = requestId;
  auto take = [&](registry::SandboxRecord record) {
    if (!carries(record.info, options.metadata)) return true;
    if (record.info.provider.empty()) record.info.provider = name;
    nameFromMetadata(record.info);
    all.push_back(std::move(record.info));
    return options.limit == 0 || all.size() < options.limit;
  };
  auto limit = static_cast<std::int64_t>(options.limit == 0 ? 0 : options.limit - all.size());
  auto listed = (*provider)->list(limit, options.metadata, take, context);
  if (!listed && listed.error().code == ErrorCode::unsupported) return listUnsupported(name);
  if (!listed && listed.error().provider.empty()) listed.error().provider = name;
  return listed;
}

}  // namespace

namespace {

/// The state of a sandbox that was found; its name is read off the metadata, else out of the memory.
std::shared_ptr<SandboxState> stateAt(const std::shared_ptr<Setup>& setup,
                                      const std::shared_ptr<registry::Provider>& provider, const Place& place,
                                      registry::SandboxRecord record) {
  if (place.known && !place.known->name.empty()) {
    record.info.metadata.insert({{"name", place.known->name},
                                 {"namespace", place.known->namespace_},
                                 {"parent_sandbox_id", place.known->parentId}});
  }
  nameFromMetadata(record.info);
  Naming naming;
  if (auto parent = record.info.metadata.find("parent_sandbox_id");
      parent != record.info.metadata.end() && !record.info.name.empty()) {
    naming = {record.info.name, record.info.namespace_, parent->second, setup->config().namedSandboxes};
  } else if (!record.info.namespace_.empty()) {
    naming = {record.info.name, record.info.namespace_, {}, false};
  }
  auto state = std::make_shared<SandboxState>(setup, provider, std::move(record), std::move(naming));
  state->remember(place.known.has_value());
  return state;
}

}  // namespace

Result<std::optional<registry::SandboxRecord>> inspectIfThere(registry::Provider& provider,
                                                              const registry::Target& target,
                                                              const std::stop_token& stop) {
  RequestId requestId;
  nextRequestId(requestId);
  registry::CallContext context;
  context.stop = stop;
  context.deadline = deadlineIn(kControlTime);
  context.requestId = requestId;
  auto record = provider.inspect(target, context);
  if (record) {
    if (record->token.empty()) record->token = target.token;
    return std::optional(std::move(*record));
  }
  ErrorInfo error = std::move(record).error();
  if (error.code == ErrorCode::notFound || error.code == ErrorCode::sandboxGone) {
    return std::optional<registry::SandboxRecord>();
  }
  if (error.provider.empty()) error.provider = provider.name();
  if (error.sandboxId.empty()) error.sandboxId = target.id;
  return error;
}

Result<std::shared_ptr<SandboxState>> lookUp(const std::shared_ptr<Setup>& setup, std::string_view id,
                                             const LookupOptions& options) {
  if (auto checked = checkId("cannot look up a sandbox", id); !checked) return std::move(checked).error();
  auto places = placesOf(*setup, id, options.provider);
  if (!places) return std::move(places).error();
  std::vector<ErrorInfo> errors;
  for (const Place& place : *places) {
    auto provider = setup->provider(place.provider);
    if (!provider) {
      errors.push_back(std::move(provider).error());
      if (errors.back().provider.empty()) errors.back().provider = place.provider;
      continue;
    }
    const std::string token = place.known ? place.known->token : std::string();
    if (!(*provider)->features().inspect) {
      // It cannot be asked; where the caller or the memory says that it is there, its operations will tell.
      if (!place.known && options.provider.empty()) continue;
      registry::SandboxRecord record;
      record.info.id = id;
      record.token = token;
      return stateAt(setup, *provider, place, std::move(record));
    }
    auto record = inspectIfThere(**provider, {std::string(id), token}, options.stop);
    if (!record) {
      errors.push_back(std::move(record).error());
    } else if (*record) {
      return stateAt(setup, *provider, place, std::move(**record));
    } else if (place.known && place.known->state == RememberedSandbox::State::live) {
      setup->memory().forget(place.provider, id);
    }
  }
  if (errors.empty()) return std::shared_ptr<SandboxState>();
  return combineErrors("cannot look up sandbox " + std::string(id), std::move(errors));
}

Result<std::vector<SandboxInfo>> listSandboxes(Setup& setup, const ListOptions& options) {
  auto names = setup.lookupOrder(options.provider);
  if (!names) return std::move(names).error();
  std::vector<SandboxInfo> all;
  std::vector<ErrorInfo> errors;
  for (const std::string& name : *names) {
    if (options.limit != 0 && all.size() >= options.limit) break;
    auto listed = listOn(setup, name, options, all);
    if (!listed) errors.push_back(std::move(listed).error());
  }
  if (errors.size() == names->size() && !errors.empty()) {
    return combineErrors("cannot list sandboxes", std::move(errors));
  }
  for (const ErrorInfo& error : errors) setup.log(LogLevel::warning, error.provider, error.firstLine());
  return all;
}

Result<void> destroyById(const std::shared_ptr<Setup>& setup, std::string_view id, const LookupOptions& options) {
  auto state = lookUp(setup, id, options);
  if (!state) return std::move(state).error();
  if (!*state) return {};
  return (*state)->destroy(options.stop);
}

Result<std::vector<std::string>> reapSandboxes(Setup& setup, const std::stop_token& stop) {
  std::vector<std::string> reaped;
  for (const RememberedSandbox& sandbox : setup.memory().unfinished()) {
    if (stop.stop_requested()) return cancelled("cannot reap sandboxes");
    if (sandbox.state == RememberedSandbox::State::begun && processRuns(sandbox.maker)) continue;
    auto provider = setup.provider(sandbox.provider);
    if (!provider) {
      setup.log(LogLevel::warning, sandbox.provider, provider.error().firstLine());
      continue;
    }
    registry::SandboxRecord record;
    record.info.id = sandbox.id;
    record.token = sandbox.token;
    if (!discard(setup, **provider, record)) continue;
    setup.memory().forget(sandbox.provider, sandbox.id);
    reaped.push_back(sandbox.id);
  }
  return reaped;
}

}  // namespace computesdk::detail

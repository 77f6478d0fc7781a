#include "named/naming.hpp"

#include "memory/text_record.hpp"
#include "named/named_store.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

namespace computesdk::detail {
namespace {

std::string keyPart(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == ':') {
      out += "%3A";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

NameKeys::NameKeys(std::string_view workspace, std::string_view nameSpace, std::string_view theName) {
  const std::string space = keyPart(workspace);
  const std::string both = space + ":" + keyPart(nameSpace);
  parent = "sandbox:namespace:" + both;
  siblings = "sandbox:name:" + both + ":";
  name = siblings + keyPart(theName);
  recordPrefix_ = "sandbox:record:" + space + ":";
}

std::string NameKeys::record(std::string_view id) const { return recordPrefix_ + keyPart(id); }

std::string_view workspaceOf(const ComputeConfig& config) noexcept {
  return config.workspace.empty() ? std::string_view("0") : std::string_view(config.workspace);
}

std::string newUuid() {
  std::array<unsigned char, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    ssize_t got = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += "0123456789abcdef"[bytes[i] >> 4];
    out += "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}

Result<std::optional<NamedEntry>> readName(NamedStore& store, const NameKeys& keys) {
  auto id = store.get(keys.name);
  if (!id) return std::move(id).error();
  if (!*id) return std::optional<NamedEntry>();
  NamedEntry entry;
  entry.id = **id;
  auto text = store.get(keys.record(entry.id));
  if (!text) return std::move(text).error();
  // A name without its record has nothing that could be asked; an empty provider says so.
  if (!*text) return std::optional<NamedEntry>(entry);
  auto fields = decodeRecord(**text);
  if (!fields) return std::optional<NamedEntry>(entry);
  entry.provider = (*fields)["provider"];
  entry.token = (*fields)["token"];
  entry.parentId = (*fields)["parent"];
  return std::optional<NamedEntry>(entry);
}

Result<bool> removeName(NamedStore& store, const NameKeys& keys, const std::string& id) {
  const std::array steps = {
      StoreStep{StoreStep::Kind::requireEquals, keys.name, id},
      StoreStep{StoreStep::Kind::remove, keys.name, {}},
      StoreStep{StoreStep::Kind::remove, keys.record(id), {}},
      StoreStep{StoreStep::Kind::removeUnlessAny, keys.parent, keys.siblings},
  };
  return store.apply(steps);
}

Result<std::string> parentOf(NamedStore& store, const NameKeys& keys) {
  auto known = store.get(keys.parent);
  if (!known) return std::move(known).error();
  if (*known) return **known;
  const std::array steps = {StoreStep{StoreStep::Kind::setIfAbsent, keys.parent, newUuid()}};
  if (auto made = store.apply(steps); !made) return std::move(made).error();
  known = store.get(keys.parent);
  if (!known) return std::move(known).error();
  // It was removed again in between with the namespace's last name; binding the name puts this one back.
  return known->value_or(steps[0].value);
}

Result<bool> bindName(NamedStore& store, const NameKeys& keys, const Naming& naming, const std::string& provider,
                      const registry::SandboxRecord& record, const std::string& claimOwner) {
  const StringMap fields = {{"provider", provider},
                            {"token", record.token},
                            {"name", naming.name},
                            {"namespace", naming.namespace_},
                            {"parent", naming.parentId}};
  std::vector<StoreStep> steps;
  if (!claimOwner.empty()) steps.push_back({StoreStep::Kind::requireClaim, keys.name, claimOwner});
  steps.push_back({StoreStep::Kind::setIfAbsent, keys.parent, naming.parentId});
  steps.push_back({StoreStep::Kind::set, keys.name, record.info.id});
  steps.push_back({StoreStep::Kind::set, keys.record(record.info.id), encodeRecord(fields)});
  if (!claimOwner.empty()) steps.push_back({StoreStep::Kind::dropClaim, keys.name, claimOwner});
  return store.apply(steps);
}

void forgetName(Setup& setup, const Naming& naming, const std::string& id) {
  if (!setup.storeExists()) return;
  auto store = setup.store();
  if (store) {
    const NameKeys keys(workspaceOf(setup.config()), naming.namespace_, naming.name);
    if (auto removed = removeName(**store, keys, id); removed) return;
  }
  setup.log(
      LogLevel::warning, {},
      "the name " + naming.namespace_ + "/" + naming.name + " could not be removed; its next user finds it stale");
}

}  // namespace computesdk::detail

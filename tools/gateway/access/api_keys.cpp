#include "access/api_keys.hpp"

#include "core/crypto.hpp"
#include "sandboxes/failures.hpp"

namespace computesdk::gateway {
namespace {

constexpr std::size_t kMaxKey = 512;

/// A key has 256 random bits, so that a plain hash cannot be searched backwards.
std::string hashOf(std::string_view key) { return sha256Hex(key); }

}  // namespace

ApiKeys::ApiKeys(std::shared_ptr<Store> store, const std::vector<GivenKey>& given) : store_(std::move(store)) {
  for (const GivenKey& each : given) {
    const std::string hash = hashOf(each.key);
    given_.push_back({hash, {"given_" + hash.substr(0, 8), each.workspace}});
  }
}

const ApiKeys::Given* ApiKeys::given(std::string_view hash) const {
  const Given* found = nullptr;
  // All of them are compared, so that the time says nothing about which one fits.
  for (const Given& each : given_) {
    if (constantTimeEquals(each.hash, hash)) found = &each;
  }
  return found;
}

Result<std::optional<KeyHolder>> ApiKeys::check(std::string_view key) const {
  if (key.empty() || key.size() > kMaxKey) return std::optional<KeyHolder>();
  const std::string hash = hashOf(key);
  if (const Given* found = given(hash)) return std::optional(found->holder);
  auto record = store_->keyByHash(hash);
  if (!record) return std::move(record).error();
  if (!*record || (*record)->revokedMs != 0 || !constantTimeEquals((*record)->hash, hash)) {
    return std::optional<KeyHolder>();
  }
  return std::optional(KeyHolder{(*record)->id, (*record)->workspace});
}

bool ApiKeys::looksLikeKey(std::string_view text) const {
  return text.starts_with(kPrefix) || (text.size() <= kMaxKey && given(hashOf(text)) != nullptr);
}

Result<NewKey> ApiKeys::create(Store& store, const std::string& workspace, const std::string& label) {
  if (!isWorkspace(workspace)) return badRequest("a workspace is a number of at most 18 digits");
  NewKey made;
  made.key = std::string(kPrefix) + base64Url(randomBytes(32));
  made.record.id = "key_" + randomHex(6);
  made.record.hash = hashOf(made.key);
  made.record.workspace = workspace;
  made.record.label = label;
  auto added = store.addKey(made.record);
  if (!added) return std::move(added).error();
  made.record = std::move(*added);
  return made;
}

}  // namespace computesdk::gateway

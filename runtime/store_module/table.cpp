#include "named/store_table.h"
#include "store.hpp"

#include <Poco/Exception.h>

#include <string_view>
#include <vector>

// The C face of the module. Whatever is thrown behind it ends here.
struct csdk_store {
  explicit csdk_store(const char* file) : store(file) {}
  computesdk::store::Store store;
};

namespace {

std::string text(csdk_store_text from) { return {from.data, from.size}; }
csdk_store_text lend(std::string_view from) { return {from.data(), from.size()}; }

/// Runs `f`, which answers true or false: 0 or 1; what it throws is told: -1.
template <typename F>
int32_t guard(csdk_store_fail fail, F&& f) noexcept {
  try {
    try {
      return f() ? 0 : 1;
    } catch (const Poco::Exception& e) {
      fail.say(fail.ctx, lend(e.message().empty() ? e.displayText() : e.message()));
    } catch (const std::exception& e) {
      fail.say(fail.ctx, lend(e.what()));
    }
  } catch (...) {  // not even the reason can be told
  }
  return -1;
}

int32_t openStore(const char* file, csdk_store** out, csdk_store_fail fail) {
  return guard(fail, [&] {
    *out = new csdk_store(file);
    return true;
  });
}

void closeStore(csdk_store* store) { delete store; }

int32_t getValue(csdk_store* store, csdk_store_text key, void* ctx, void (*found)(void*, csdk_store_text),
                 csdk_store_fail fail) {
  return guard(fail, [&] {
    auto value = store->store.get(text(key));
    if (value) found(ctx, lend(*value));
    return value.has_value();
  });
}

int32_t listValues(csdk_store* store, csdk_store_text prefix, void* ctx,
                   void (*each)(void*, csdk_store_text, csdk_store_text), csdk_store_fail fail) {
  return guard(fail, [&] {
    store->store.list(text(prefix),
                      [&](const std::string& key, const std::string& value) { each(ctx, lend(key), lend(value)); });
    return true;
  });
}

int32_t claimKey(csdk_store* store, csdk_store_text key, csdk_store_text owner, int64_t now, int64_t until,
                 csdk_store_fail fail) {
  return guard(fail, [&] { return store->store.claim(text(key), text(owner), now, until); });
}

int32_t applySteps(csdk_store* store, const csdk_store_step* steps, size_t count, csdk_store_fail fail) {
  return guard(fail, [&] {
    std::vector<computesdk::store::Step> copies;
    for (size_t i = 0; i < count; ++i) copies.push_back({steps[i].kind, text(steps[i].key), text(steps[i].value)});
    return store->store.apply(copies);
  });
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const csdk_store_table* computesdk_store_table(void) {
  static const csdk_store_table table = {
      sizeof(csdk_store_table), CSDK_STORE_VERSION, openStore, closeStore, getValue, listValues, claimKey, applySteps};
  return &table;
}

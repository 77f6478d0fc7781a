#include <cstdio>

#include <algorithm>

#include "access/api_keys.hpp"
#include "core/json.hpp"
#include "program/programs.hpp"
#include "store/store.hpp"

namespace computesdk::gateway {
namespace {

std::string timeOrDash(std::int64_t millis) {
  return millis == 0 ? "-" : timeText(SystemTime(std::chrono::milliseconds(millis)));
}

void writeKey(JsonWriter& json, const ApiKey& key) {
  json.field("id", key.id).field("workspace", key.workspace).field("label", key.label);
  json.field("created_at", timeOrDash(key.createdMs)).key("revoked_at");
  if (key.revokedMs == 0) {
    json.null();
  } else {
    json.string(timeOrDash(key.revokedMs));
  }
}

int createKey(Store& store, const CommandWords& words) {
  auto made = ApiKeys::create(store, words.keyWorkspace, words.keyLabel);
  if (!made) return tell(made.error());
  (void)store.audit({0, words.keyWorkspace, "command line", "key.create", made->record.id, "ok", ""});
  if (words.json) {
    JsonWriter json;
    json.beginObject().field("key", made->key);
    writeKey(json, made->record);
    std::printf("%s\n", json.endObject().text().c_str());
  } else {
    std::printf("%s\n", made->key.c_str());
    std::fprintf(stderr, "key %s of workspace %s; it is not shown again\n", made->record.id.c_str(),
                 made->record.workspace.c_str());
  }
  return 0;
}

int listKeys(Store& store, const CommandWords& words) {
  auto keys = store.keys();
  if (!keys) return tell(keys.error());
  if (words.json) {
    JsonWriter json;
    json.beginArray();
    for (const ApiKey& key : *keys) {
      json.beginObject();
      writeKey(json, key);
      json.endObject();
    }
    std::printf("%s\n", json.endArray().text().c_str());
    return 0;
  }
  std::printf("%-18s  %-9s  %-24s  %-24s  %s\n", "ID", "WORKSPACE", "CREATED", "REVOKED", "LABEL");
  for (const ApiKey& key : *keys) {
    std::string label = key.label;
    std::ranges::replace_if(
        label, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    std::printf("%-18s  %-9s  %-24s  %-24s  %s\n", key.id.c_str(), key.workspace.c_str(),
                timeOrDash(key.createdMs).c_str(), timeOrDash(key.revokedMs).c_str(), label.c_str());
  }
  return 0;
}

int revokeKey(Store& store, const CommandWords& words) {
  if (words.others.size() != 2) {
    ErrorInfo error;
    error.code = ErrorCode::usage;
    error.what = "cannot revoke a key";
    error.why = "its id is missing";
    error.fix = "computesdk gateway key list";
    return tell(error);
  }
  auto revoked = store.revokeKey(words.others[1]);
  if (!revoked) return tell(revoked.error());
  if (!*revoked) {
    ErrorInfo error;
    error.code = ErrorCode::notFound;
    error.what = "cannot revoke the key " + words.others[1];
    error.why = "there is none of that id";
    error.fix = "computesdk gateway key list";
    return tell(error);
  }
  (void)store.audit({0, "", "command line", "key.revoke", words.others[1], "ok", ""});
  return 0;
}

}  // namespace

int keyProgram(std::span<const std::string> words) {
  auto read = readCommandWords(words);
  if (!read) return tell(read.error());
  const std::string action = read->others.empty() ? std::string() : read->others.front();
  if (action != "create" && action != "list" && action != "revoke") {
    ErrorInfo error;
    error.code = ErrorCode::usage;
    error.what = "cannot run computesdk gateway key " + action;
    error.why = "it is none of create, list and revoke";
    error.fix = "computesdk gateway key --help";
    return tell(error);
  }
  auto store = Store::open(read->settings.store);
  if (!store) return tell(store.error());
  if (action == "create") return createKey(**store, *read);
  if (action == "list") return listKeys(**store, *read);
  return revokeKey(**store, *read);
}

}  // namespace computesdk::gateway

#pragma once

#include "store/records.hpp"

#include <string>

// The layout of the store; docs/stores.md tells it to operators.
//   sandbox:namespace:WORKSPACE:NAMESPACE    entry: id of the namespace's parent
//   sandbox:name:WORKSPACE:NAMESPACE:NAME    entry: id of the sandbox that has the name
//   computesdk:claim:WORKSPACE:NAMESPACE:NAME  entry, for the length of a lease: who makes the sandbox for that name
//   computesdk:sandbox:ID                    entry: the record (JSON)
//   computesdk:sandboxes:WORKSPACE           set: ids, by time of creation
//   computesdk:children:PARENT               set: ids, by time of creation
//   computesdk:due                           set: ids, by when somebody has to look after them
//   computesdk:key:ID                        entry: hash of the API key
//   computesdk:key-hash:HASH                 entry: the API key's record (JSON)
//   computesdk:keys                          set: hashes, by time of creation
//   computesdk:snapshot:ID                   entry: the record (JSON)
//   computesdk:snapshots:WORKSPACE           set: ids, by time of creation
//   computesdk:secret:NAME                   entry: bytes as hex digits
//   computesdk:rate:KEY                      entry, for two windows: counts
//   computesdk:audit                         log: entries (JSON)
namespace computesdk::gateway::keys {

inline const std::string kDue = "computesdk:due";
inline const std::string kApiKeys = "computesdk:keys";
inline const std::string kAudit = "computesdk:audit";

inline std::string sandbox(const std::string& id) { return "computesdk:sandbox:" + id; }
inline std::string sandboxes(const std::string& workspace) { return "computesdk:sandboxes:" + workspace; }
inline std::string children(const std::string& parent) { return "computesdk:children:" + parent; }
std::string claim(const NameKey& key);
inline std::string apiKey(const std::string& id) { return "computesdk:key:" + id; }
inline std::string apiKeyHash(const std::string& hash) { return "computesdk:key-hash:" + hash; }
inline std::string snapshot(const std::string& id) { return "computesdk:snapshot:" + id; }
inline std::string snapshots(const std::string& workspace) { return "computesdk:snapshots:" + workspace; }
inline std::string secret(const std::string& name) { return "computesdk:secret:" + name; }
inline std::string rate(const std::string& key) { return "computesdk:rate:" + key; }

}  // namespace computesdk::gateway::keys

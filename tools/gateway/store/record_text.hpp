#pragma once

#include <computesdk/result.hpp>

#include "store/records.hpp"

#include <string>

// Records as they lie in the store: one JSON object each, empty fields left out, bytes as hex digits.
namespace computesdk::gateway {

std::string encode(const SandboxRecord& record);
std::string encode(const ApiKey& key);
std::string encode(const SnapshotRecord& snapshot);
std::string encode(const AuditEntry& entry);

/// Fill `out`. False: the text is no such record.
bool decode(const std::string& text, SandboxRecord& out);
bool decode(const std::string& text, ApiKey& out);
bool decode(const std::string& text, SnapshotRecord& out);
bool decode(const std::string& text, AuditEntry& out);

std::string toHex(const std::string& bytes);
/// Nothing when it is not pairs of hex digits.
std::optional<std::string> fromHex(const std::string& text);

}  // namespace computesdk::gateway

#pragma once

#include "abi_structs.hpp"

#include <computesdk/registry/provider.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

// Between the ABI's structs and C++ values. Towards the plug-in nothing is copied: the views live as long as what they
// were made of.
namespace computesdk::registry::host {

/// A list of leaves: on the stack when short. Not movable, since the leaves are pointed to.
template <typename Leaf, std::size_t kInline = 8>
class LeafList {
 public:
  LeafList() = default;
  LeafList(const LeafList&) = delete;
  LeafList& operator=(const LeafList&) = delete;

  void reserve(std::size_t count) {
    if (count > kInline) heap_.resize(count);
    items_ = count > kInline ? heap_.data() : inline_.data();
  }
  void add(const Leaf& leaf) { items_[count_++] = leaf; }
  [[nodiscard]] const Leaf* data() const noexcept { return items_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  std::array<Leaf, kInline> inline_;
  std::vector<Leaf> heap_;
  Leaf* items_ = nullptr;
  std::size_t count_ = 0;
};

using Pairs = LeafList<csdk_pair>;
using Strs = LeafList<csdk_str>;
using Options = LeafList<csdk_option>;

void fill(Pairs& pairs, const StringMap* map);
void fill(Strs& strs, std::span<const std::string> items);
void fill(Options& options, const OptionMap* map);
csdk_option toOption(std::string_view key, const OptionValue& value);

inline csdk_target toTarget(const Target& target) noexcept { return {toStr(target.id), toBytes(target.token)}; }
inline csdk_bytes toBytes(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

SandboxRecord toRecord(const csdk_sandbox_info& info, std::string_view provider);
FileEntry toEntry(const csdk_entry& entry);
PortUrl toUrl(const csdk_url& url);
ProcessInfo toProcess(const csdk_process& process);
SnapshotInfo toSnapshot(const csdk_snapshot& snapshot);
TemplateInfo toTemplate(const csdk_template& item);
Progress toProgress(const csdk_progress& progress);
ExitStatus toExit(std::uint32_t kind, std::int32_t value, std::uint32_t flags) noexcept;

}  // namespace computesdk::registry::host

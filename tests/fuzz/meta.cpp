// A registry entry's meta.json: what is read of it comes back when it is written and read again.
#include <engine/meta.hpp>
#include <string_view>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using local::Meta;

std::string whole(const Meta& meta, const std::string& live) { return local::metaPrefix(meta) + live + "}\n"; }

}  // namespace

std::vector<std::string> seeds() {
  Meta meta;
  meta.id = "local-abcdefghij234567";
  meta.name = "a \"name\" with \\ and \n and \xc3\xa4";
  meta.token.fill(0x5a);
  meta.uid = 0x70000001;
  meta.createdMs = 1700000000000;
  meta.workdir = "/home/sandbox";
  meta.groups = local::limits::GroupKind::kV2;
  meta.controllers = 5;
  meta.base = {"directory", "/srv/template"};
  meta.envs = {{"PATH", "/usr/bin"}, {"EMPTY", ""}};
  meta.metadata = {{"owner", "somebody"}, {"owner", "twice"}};
  const std::string live = ",\"live\":{\"expires_ms\":1700000300000,\"ports\":{\"8080\":40000,\"9000\":40001}}";
  return {whole(meta, live), whole(meta, ""), whole(Meta{}, live)};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  const auto read = computesdk::local::parseMeta({reinterpret_cast<const char*>(data), size});
  if (!read.ok()) {
    require(!read.error().message.empty(), "a refusal says what it refuses");
    return 0;
  }
  const auto again = computesdk::local::parseMeta(whole(*read, ""));
  require(again.ok(), "what was read can be written");
  require(again->id == read->id && again->name == read->name && again->workdir == read->workdir, "texts come back");
  require(again->token == read->token, "the token comes back");
  require(again->envs == read->envs && again->metadata == read->metadata, "pairs come back");
  require(again->limits == read->limits && again->uid == read->uid, "numbers come back");
  return 0;
}

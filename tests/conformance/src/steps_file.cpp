// Verbs about files.
#include "match.hpp"
#include "scope.hpp"

#include <algorithm>
#include <map>

namespace computesdk::conformance {
namespace {

const std::string& path(const Step& step) { return step.arguments.at("path").asString(); }

Value entryValue(const FileEntry& entry) {
  Value out;
  out.set("name", entry.name).set("path", entry.path).set("type", toString(entry.type)).set("size", entry.size);
  out.set("mode", static_cast<std::int64_t>(entry.mode)).set("link", entry.linkTarget);
  if (entry.modifiedAt) {
    const auto age = std::chrono::system_clock::now() - *entry.modifiedAt;
    out.set("age_ms", static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(age).count()));
  }
  return out;
}

Outcome write(Step& step) {
  onlyKeys(step.arguments, {"path", "content", "mode", "parents"}, "write");
  WriteOptions options;
  options.mode = static_cast<std::uint32_t>(step.arguments.integer("mode"));
  options.parents = step.arguments.flag("parents", true);
  options.stop = step.stopper.token();
  return done(step.sandbox().filesystem().writeFile(nothrow, path(step),
                                                    std::string_view(bytesOf(step.arguments.at("content"))), options));
}

Outcome read(Step& step) {
  onlyKeys(step.arguments, {"path", "offset", "length"}, "read");
  ReadOptions options;
  options.offset = step.arguments.integer("offset");
  options.length = step.arguments.integer("length", -1);
  options.stop = step.stopper.token();
  auto content = step.sandbox().filesystem().readFile(nothrow, path(step), options);
  if (!content) return std::move(content).error();
  Value out;
  out.set("size", static_cast<std::int64_t>(content->size()));
  return out.set("content", std::move(*content));
}

Outcome makeFolder(Step& step) {
  onlyKeys(step.arguments, {"path", "parents"}, "mkdir");
  return done(step.sandbox().filesystem().mkdir(nothrow, path(step), step.arguments.flag("parents", true)));
}

Outcome listFolder(Step& step) {
  onlyKeys(step.arguments, {"path"}, "readdir");
  auto all = step.sandbox().filesystem().readdir(nothrow, path(step));
  if (!all) return std::move(all).error();
  Value names(Value::Array{});
  Value entries(Value::Array{});
  for (const FileEntry& entry : *all) {
    names.add(entry.name);
    entries.add(entryValue(entry));
  }
  Value out;
  return out.set("names", std::move(names)).set("entries", std::move(entries));
}

Outcome exists(Step& step) {
  onlyKeys(step.arguments, {"path"}, "exists");
  auto there = step.sandbox().filesystem().exists(nothrow, path(step));
  if (!there) return std::move(there).error();
  Value out;
  return out.set("exists", *there);
}

Outcome stat(Step& step) {
  onlyKeys(step.arguments, {"path", "follow"}, "stat");
  auto entry = step.sandbox().filesystem().stat(nothrow, path(step), step.arguments.flag("follow", true));
  if (!entry) return std::move(entry).error();
  return entryValue(*entry);
}

Outcome rename(Step& step) {
  onlyKeys(step.arguments, {"from", "to"}, "rename");
  return done(step.sandbox().filesystem().rename(nothrow, step.arguments.at("from").asString(),
                                                 step.arguments.at("to").asString()));
}

Outcome remove(Step& step) {
  onlyKeys(step.arguments, {"path", "recursive"}, "remove");
  return done(step.sandbox().filesystem().remove(nothrow, path(step), step.arguments.flag("recursive", true)));
}

Outcome upload(Step& step) {
  onlyKeys(step.arguments, {"path", "content", "mode"}, "upload");
  const std::string content = bytesOf(step.arguments.at("content"));
  std::string_view left = content;
  const ByteSource source = [&left](std::span<std::byte> buffer) {
    const std::size_t size = std::min({buffer.size(), left.size(), std::size_t{10007}});  // pieces of no round size
    std::ranges::copy(std::as_bytes(std::span(left.data(), size)), buffer.begin());
    left.remove_prefix(size);
    return size;
  };
  TransferOptions options;
  options.mode = static_cast<std::uint32_t>(step.arguments.integer("mode"));
  options.stop = step.stopper.token();
  auto sent = step.sandbox().filesystem().upload(nothrow, source, path(step), options);
  if (!sent) return std::move(sent).error();
  Value out;
  return out.set("bytes", sent->bytes);
}

Outcome download(Step& step) {
  onlyKeys(step.arguments, {"path"}, "download");
  std::string content;
  const ByteSink sink = [&](std::span<const std::byte> bytes) {
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    step.stopper.saw("bytes");
  };
  TransferOptions options;
  options.stop = step.stopper.token();
  auto got = step.sandbox().filesystem().download(nothrow, path(step), sink, options);
  if (!got) return std::move(got).error();
  Value out;
  return out.set("bytes", got->bytes).set("content", std::move(content));
}

}  // namespace

Verb fileVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"write", write}, {"read", read},     {"mkdir", makeFolder}, {"readdir", listFolder}, {"exists", exists},
      {"stat", stat},   {"rename", rename}, {"remove", remove},    {"upload", upload},      {"download", download},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance

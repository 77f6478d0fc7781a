#include "files/emulated.hpp"

#include "commands/input.hpp"
#include "core/errors.hpp"
#include "files/base64.hpp"
#include "files/checksum.hpp"
#include "files/entry_text.hpp"
#include "named/naming.hpp"

#include <algorithm>
#include <array>

namespace computesdk::detail::emulated {
namespace {

// What the scripts exit with where they know the cause; any other code is explained by what the tool wrote.
enum Code { kNotFound = 64, kIsFolder = 65, kNotFolder = 66, kExists = 67, kNotEmpty = 68, kNoTool = 127 };

constexpr std::string_view kRead =
    "[ -e \"$1\" ] || exit 64\n[ -d \"$1\" ] && exit 65\n"
    "if [ \"$2\" = 0 ] && [ \"$3\" = -1 ]; then exec base64 <\"$1\"; fi\n"
    "if [ \"$3\" = -1 ]; then tail -c +$(($2 + 1)) <\"$1\" | base64; exit; fi\n"
    "tail -c +$(($2 + 1)) <\"$1\" | head -c \"$3\" | base64\n";
// $1 path, $2 temporary name beside it, $3 1: make parents, $4 mode or nothing
constexpr std::string_view kReceive =
    "[ -d \"$1\" ] && exit 65\n"
    "case \"$1\" in */*) d=${1%/*}/;; *) d=./;; esac\n"
    "if [ \"$3\" = 1 ]; then mkdir -p -- \"$d\" || exit 1; fi\n"
    "[ -d \"$d\" ] || exit 64\n"
    "base64 -d >\"$d$2\" && { [ -z \"$4\" ] || chmod \"$4\" -- \"$d$2\"; } && cksum <\"$d$2\" && exit\n"
    "rm -f -- \"$d$2\"; exit 1\n";
// $3: commit or drop
constexpr std::string_view kFinish =
    "case \"$1\" in */*) d=${1%/*}/;; *) d=./;; esac\n"
    "if [ \"$3\" = commit ]; then mv -f -- \"$d$2\" \"$1\" && exit; fi\n"
    "rm -f -- \"$d$2\"; exit 1\n";
constexpr std::string_view kDescribe =
    "one() {\n"
    "  stat $3 -c '%f %s %Y %U %G' -- \"$1\" || return 1\n"
    "  printf '%s\\000' \"$2\"\n"
    "  if [ -L \"$1\" ]; then l=$(readlink -- \"$1\"; echo .); l=${l%.}; printf '%s\\000' \"${l%?}\"; "
    "else printf '\\000'; fi\n"
    "}\n";
constexpr std::string_view kList =
    "[ -e \"$1\" ] || exit 64\n[ -d \"$1\" ] || exit 66\n"
    "command -v stat >/dev/null || exit 127\ncd -- \"$1\" || exit 1\n"
    "for f in * .[!.]* ..?*; do\n"
    "  [ -e \"./$f\" ] || [ -L \"./$f\" ] || continue\n"
    "  one \"./$f\" \"$f\" ''\n"
    "done 2>/dev/null | base64\n";
constexpr std::string_view kStat =
    "if [ \"$2\" = 1 ]; then [ -e \"$1\" ] || exit 64; o=-L; else [ -e \"$1\" ] || [ -L \"$1\" ] || exit 64; o=; fi\n"
    "command -v stat >/dev/null || exit 127\none \"$1\" x $o | base64\n";
constexpr std::string_view kMkdir =
    "if [ \"$2\" = 1 ]; then [ -e \"$1\" ] && [ ! -d \"$1\" ] && exit 67; exec mkdir -p -- \"$1\"; fi\n"
    "{ [ -e \"$1\" ] || [ -L \"$1\" ]; } && exit 67\n"
    "p=${1%/}; case \"$p\" in */*) p=${p%/*}; [ -d \"${p:-/}\" ] || exit 64;; esac\nexec mkdir -- \"$1\"\n";
constexpr std::string_view kRemove =
    "[ -e \"$1\" ] || [ -L \"$1\" ] || exit 64\n"
    "if [ \"$2\" = 1 ]; then exec rm -rf -- \"$1\"; fi\n"
    "if [ -d \"$1\" ] && [ ! -L \"$1\" ]; then [ -z \"$(ls -A -- \"$1\")\" ] || exit 68; exec rmdir -- \"$1\"; fi\n"
    "exec rm -f -- \"$1\"\n";
constexpr std::string_view kRename =
    "[ -e \"$1\" ] || [ -L \"$1\" ] || exit 64\n[ -d \"$2\" ] && [ ! -L \"$2\" ] && exit 65\nexec mv -f -- \"$1\" "
    "\"$2\"\n";

std::vector<std::string> script(std::string_view text, std::initializer_list<std::string_view> arguments) {
  std::vector<std::string> argv = {"/bin/sh", "-c", std::string(text), "sh"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

/// The path as a shell's built-ins take it for one and nothing else: `cd -` and CDPATH need a ./ in front.
std::string shellPath(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "./" + std::string(path);
}

ErrorInfo failure(SandboxState& sandbox, std::string_view verb, std::string_view path, int code, std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  ErrorInfo error;
  error.provider = sandbox.provider().name();
  error.sandboxId = sandbox.id();
  error.what = "cannot " + std::string(verb) + " " + std::string(path);
  error.why = text.empty() ? "the command for it ended with " + std::to_string(code) : text;
  error.code = ErrorCode::unknown;
  auto says = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  switch (code) {
    case kNotFound:
      error.code = ErrorCode::fileNotFound;
      error.why = "it is not there";
      return error;
    case kIsFolder:
      error.code = ErrorCode::invalidArgument;
      error.why = "it is a folder";
      return error;
    case kNotFolder:
      error.code = ErrorCode::invalidArgument;
      error.why = "it is not a folder";
      return error;
    case kExists:
      error.code = ErrorCode::alreadyExists;
      error.why = "it is there already";
      return error;
    case kNotEmpty:
      error.code = ErrorCode::precondition;
      error.why = "the folder is not empty";
      return error;
    case kNoTool:
      error.code = ErrorCode::unsupported;
      error.fix = "use an image with sh, base64 and coreutils";
      return error;
    default: break;
  }
  if (says("ermission denied") || says("not permitted") || says("Read-only")) error.code = ErrorCode::permission;
  if (says("No space left") || says("quota exceeded")) error.code = ErrorCode::diskFull;
  return error;
}

Result<std::string> runScript(SandboxState& sandbox, std::string_view verb, std::string_view path,
                              const std::vector<std::string>& argv, const std::stop_token& stop) {
  auto ended = sandbox.tool(argv, stop);
  if (!ended) return std::move(ended).error();
  if (ended->exitCode != 0) return failure(sandbox, verb, path, ended->exitCode, std::move(ended->err));
  return std::move(ended->out);
}

/// Pulls from a source and hands out its base64.
class EncodedSource : public registry::InputSource {
 public:
  EncodedSource(registry::InputSource& inner, Checksum& sum) : inner_(inner), sum_(sum) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return -1; }

  State read(std::span<std::byte> buffer, std::size_t& size) override {
    while (text_.size() == taken_) {
      if (ended_) return State::end;
      std::array<std::byte, 48 * 1024> raw;
      std::copy(carry_.begin(), carry_.end(), raw.begin());
      std::size_t got = 0;
      const State state = inner_.read(std::span(raw).subspan(carry_.size()), got);
      if (state == State::again) return state;
      if (state == State::data) sum_.add(std::span(raw).subspan(carry_.size(), got));
      ended_ = state == State::end;
      const std::size_t have = carry_.size() + (ended_ ? 0 : got);
      const std::size_t whole = ended_ ? have : have / 3 * 3;
      text_ = base64Encode(std::span(raw).first(whole));
      if (!text_.empty()) text_ += '\n';
      taken_ = 0;
      carry_.assign(raw.begin() + static_cast<std::ptrdiff_t>(whole), raw.begin() + static_cast<std::ptrdiff_t>(have));
    }
    size = std::min(buffer.size(), text_.size() - taken_);
    std::transform(text_.begin() + static_cast<std::ptrdiff_t>(taken_),
                   text_.begin() + static_cast<std::ptrdiff_t>(taken_ + size), buffer.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    taken_ += size;
    return State::data;
  }
  void onReadable(std::function<void()> ready) override {
    if (text_.size() != taken_ || ended_) return ready();
    inner_.onReadable(std::move(ready));
  }

 private:
  registry::InputSource& inner_;
  Checksum& sum_;
  std::string text_;
  std::size_t taken_ = 0;
  std::vector<std::byte> carry_;  ///< up to two bytes that do not fill a group
  bool ended_ = false;
};

std::string octal(std::uint32_t mode) {
  if (mode == 0) return {};
  std::string out;
  for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + (mode >> shift & 7));
  return out;
}

}  // namespace

Result<void> read(SandboxState& sandbox, std::string_view path, const ReadOptions& options, const ByteSink& sink) {
  const auto argv = script(kRead, {shellPath(path), std::to_string(options.offset), std::to_string(options.length)});
  registry::ExecRequest request;
  request.argv = argv;
  Base64Decoder decoder;
  std::string err;
  bool damaged = false;
  std::vector<std::byte> bytes;
  auto take = [&](OutputStream stream, std::span<const std::byte> chunk) {
    const std::string_view text(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    if (stream == OutputStream::standardError) {
      err.append(text.substr(0, 4096 - std::min<std::size_t>(4096, err.size())));
      return;
    }
    bytes.clear();
    damaged = damaged || !decoder.feed(text, bytes);
    if (!damaged && !bytes.empty()) sink(bytes);
  };
  auto ended = sandbox.exec(request, take, options.stop, std::nullopt);
  if (!ended) return std::move(ended).error();
  if (ended->exitCode() != 0) return failure(sandbox, "read", path, ended->exitCode(), std::move(err));
  if (!damaged && decoder.complete()) return {};
  ErrorInfo error = failure(sandbox, "read", path, 0, "what came was not the base64 that was sent");
  error.code = ErrorCode::dataLoss;
  return error;
}

Result<void> write(SandboxState& sandbox, std::string_view path, registry::InputSource& source,
                   const WriteOptions& options) {
  const std::string temporary = ".computesdk-" + newUuid();
  const auto receive = script(kReceive, {shellPath(path), temporary, options.parents ? "1" : "0", octal(options.mode)});
  Checksum sum;
  EncodedSource encoded(source, sum);
  registry::ExecRequest request;
  request.argv = receive;
  request.source = &encoded;
  std::string out;
  std::string err;
  auto take = [&](OutputStream stream, std::span<const std::byte> chunk) {
    auto& text = stream == OutputStream::standardError ? err : out;
    if (text.size() < 4096) text.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
  };
  auto finish = [&](std::string_view how, const std::stop_token& stop) {
    return runScript(sandbox, "write", path, script(kFinish, {shellPath(path), temporary, how}), stop);
  };
  Result<ExitStatus> ended = ErrorInfo{};
  try {
    ended = sandbox.exec(request, take, options.stop, std::nullopt);
  } catch (...) {
    (void)finish("drop", {});
    throw;
  }
  if (!ended) {
    (void)finish("drop", {});
    return std::move(ended).error();
  }
  if (ended->exitCode() != 0) return failure(sandbox, "write", path, ended->exitCode(), std::move(err));
  const std::string expected = std::to_string(sum.value()) + " " + std::to_string(sum.size());
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  if (out != expected) {
    (void)finish("drop", {});
    ErrorInfo error = failure(sandbox, "write", path, 0, "the checksum of what arrived is not that of what was sent");
    error.code = ErrorCode::dataLoss;
    error.retryable = true;
    return error;
  }
  if (auto done = finish("commit", options.stop); !done) {
    (void)finish("drop", {});
    return std::move(done).error();
  }
  return {};
}

Result<std::vector<FileEntry>> list(SandboxState& sandbox, std::string_view path, const std::stop_token& stop) {
  const std::string text = std::string(kDescribe) + std::string(kList);
  auto out = runScript(sandbox, "list", path, script(text, {shellPath(path)}), stop);
  if (!out) return std::move(out).error();
  auto entries = parseEntries(*out);
  if (!entries) return failure(sandbox, "list", path, 0, "its listing cannot be understood");
  const std::string folder = std::string(path) + (path.ends_with('/') ? "" : "/");
  for (FileEntry& entry : *entries) entry.path = folder + entry.name;
  return std::move(*entries);
}

Result<FileEntry> stat(SandboxState& sandbox, std::string_view path, bool follow, const std::stop_token& stop) {
  const std::string text = std::string(kDescribe) + std::string(kStat);
  auto out = runScript(sandbox, "describe", path, script(text, {shellPath(path), follow ? "1" : "0"}), stop);
  if (!out) return std::move(out).error();
  auto entries = parseEntries(*out);
  if (!entries || entries->size() != 1) return failure(sandbox, "describe", path, 0, "the answer cannot be understood");
  std::string_view name = path;
  while (name.size() > 1 && name.ends_with('/')) name.remove_suffix(1);
  entries->front().name = name.size() == 1 ? name : name.substr(name.rfind('/') + 1);
  entries->front().path = path;
  return std::move(entries->front());
}

Result<void> mkdir(SandboxState& sandbox, std::string_view path, bool parents, const std::stop_token& stop) {
  auto done = runScript(sandbox, "make folder", path, script(kMkdir, {shellPath(path), parents ? "1" : "0"}), stop);
  if (!done) return std::move(done).error();
  return {};
}

Result<void> remove(SandboxState& sandbox, std::string_view path, bool recursive, const std::stop_token& stop) {
  auto done = runScript(sandbox, "remove", path, script(kRemove, {shellPath(path), recursive ? "1" : "0"}), stop);
  if (!done) return std::move(done).error();
  return {};
}

Result<void> rename(SandboxState& sandbox, std::string_view from, std::string_view to, const std::stop_token& stop) {
  auto done = runScript(sandbox, "rename", from, script(kRename, {shellPath(from), shellPath(to)}), stop);
  if (!done) return std::move(done).error();
  return {};
}

}  // namespace computesdk::detail::emulated

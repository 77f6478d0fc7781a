// Every operation, with the same answers wherever the plug-in runs.
#include "support_host.hpp"

#include <cstring>

namespace computesdk::registry {
namespace {

class Placement : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    provider_ = mustOpen({.mode = GetParam()});
    ASSERT_NE(provider_, nullptr);
  }
  std::shared_ptr<Provider> provider_;
  CallContext context_;
};
INSTANTIATE_TEST_SUITE_P(Modes, Placement,
                         ::testing::Values(Mode::inlined, Mode::pooled, Mode::async, Mode::isolated,
                                           Mode::isolatedAsync),
                         modeName);

/// Input that is there at once, in pieces.
class TextSource final : public InputSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return static_cast<std::int64_t>(text_.size()); }
  State read(std::span<std::byte> buffer, std::size_t& size) override {
    if (at_ == text_.size()) return State::end;
    // Every other time there is nothing yet.
    if (std::exchange(dry_, !dry_)) return State::again;
    size = std::min(buffer.size(), text_.size() - at_);
    std::memcpy(buffer.data(), text_.data() + at_, size);
    at_ += size;
    return State::data;
  }
  void onReadable(std::function<void()> ready) override { ready(); }

 private:
  std::string text_;
  std::size_t at_ = 0;
  bool dry_ = false;
};

TEST_P(Placement, SaysWhatItIs) {
  EXPECT_EQ(provider_->name(), "fake");
  const bool isolated = GetParam() == Mode::isolated || GetParam() == Mode::isolatedAsync;
  EXPECT_EQ(provider_->placement(), isolated ? "isolated" : "in-process");
  const ProviderFeatures& features = provider_->features();
  EXPECT_TRUE(features.list && features.exec && features.fsRead && features.process && features.port);
  EXPECT_TRUE(features.snapshot && features.templates && features.named && features.vendorCall && features.extend);
  EXPECT_FALSE(features.pause || features.resume);
  EXPECT_EQ(features.extendMeaning, ExtendMeaning::fromNow);
}

TEST_P(Placement, CreatesWithEverythingAsked) {
  CreateRequest request;
  request.name = "mine";
  request.env = {{"A", "b"}};
  request.ports = {80, 443};
  request.options = {{"resources.vcpus", std::int64_t{4}}};
  std::vector<std::string> phases, begun;
  context_.onProgress = [&](const Progress& progress) { phases.push_back(progress.phase); };
  context_.onSandboxBegun = [&](const SandboxRecord& record) { begun.push_back(record.info.id + record.token); };
  const auto made = provider_->create(request, context_);
  ASSERT_TRUE(made) << formatError(made.error());
  EXPECT_EQ(made->info.id, "sb-mine-b-4:80:443");
  EXPECT_EQ(made->info.provider, "fake");
  EXPECT_EQ(made->token, "token-of-the-sandbox");  // of the first push; the second had none
  EXPECT_EQ(made->info.status, SandboxStatus::running);
  EXPECT_EQ(made->info.network, NetworkMode::none);
  EXPECT_TRUE(made->info.neverExpires);
  EXPECT_EQ(made->info.memoryBytes, 1 << 20);
  EXPECT_EQ(made->info.metadata, (StringMap{{"colour", "blue"}}));
  EXPECT_EQ(made->info.notices, std::vector<std::string>{"a notice"});
  EXPECT_EQ(phases, std::vector<std::string>{"boot"});
  EXPECT_EQ(begun, std::vector<std::string>{"sb-1token-of-the-sandbox"});
}

TEST_P(Placement, FailedCreateNamesWhatItBegan) {
  CreateRequest request;
  request.name = "begun-only";
  const auto made = provider_->create(request, context_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::unavailable);
  EXPECT_TRUE(made.error().maybeApplied);
  EXPECT_EQ(made.error().sandboxId, "half");
}

TEST_P(Placement, LooksUpAndPassesTokens) {
  std::vector<std::string> tokens;
  context_.onToken = [&](std::string_view token) { tokens.emplace_back(token); };
  const auto found = provider_->inspect(kTarget, context_);
  ASSERT_TRUE(found) << formatError(found.error());
  EXPECT_EQ(found->info.id, "sb-1");
  EXPECT_EQ(tokens, std::vector<std::string>{"a-newer-token"});
  const auto gone = provider_->inspect({"gone", ""}, {});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::sandboxGone);
  EXPECT_EQ(gone.error().sandboxId, "gone");
  EXPECT_EQ(gone.error().firstLine(), "cannot look up a sandbox on fake: no such sandbox");
}

TEST_P(Placement, ListsAndStops) {
  std::vector<std::string> ids;
  const auto collect = [&](const SandboxRecord& record) {
    ids.push_back(record.info.id);
    return true;
  };
  ASSERT_TRUE(provider_->list(0, {}, collect, context_));
  EXPECT_EQ(ids.size(), 5u);
  ids.clear();
  ASSERT_TRUE(provider_->list(2, {}, collect, context_));
  EXPECT_EQ(ids, (std::vector<std::string>{"sb-0", "sb-1"}));
  ids.clear();
  ASSERT_TRUE(provider_->list(0, {{"colour", "red"}}, collect, context_));
  EXPECT_TRUE(ids.empty());
  ASSERT_TRUE(provider_->list(
      0, {},
      [&](const SandboxRecord& record) {
        ids.push_back(record.info.id);
        return false;
      },
      context_));
  EXPECT_EQ(ids.size(), 1u);
}

TEST_P(Placement, CallsWithinACallbackWork) {
  int found = 0;
  const auto listed = provider_->list(
      0, {},
      [&](const SandboxRecord& record) {
        if (provider_->inspect({record.info.id, ""}, {})) ++found;
        return true;
      },
      context_);
  ASSERT_TRUE(listed) << formatError(listed.error());
  EXPECT_EQ(found, 5);
}

TEST_P(Placement, DestroysReleasesAndGivesUrls) {
  EXPECT_TRUE(provider_->destroy(kTarget, context_));
  EXPECT_TRUE(provider_->release(kTarget, context_));
  const auto url = provider_->url(kTarget, 8080, "https", context_);
  ASSERT_TRUE(url);
  EXPECT_EQ(url->url, "https://8080.example");
  EXPECT_EQ(url->headers, (StringMap{{"x-token", "t"}}));
}

TEST_P(Placement, RunsCommands) {
  const Ran ran = runFake(*provider_, {"echo", "hello"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.out, "hello");
  EXPECT_EQ(ran.err, "problem");
  EXPECT_EQ(ran.exit->kind, ExitStatus::Kind::code);
  EXPECT_EQ(ran.exit->value, 3);
  const StringMap env = {{"NAME", "value"}};
  ExecRequest request;
  request.cwd = "/work";
  request.env = &env;
  EXPECT_EQ(runFake(*provider_, {"cwd+env"}, {}, request).out, "/work NAME");
  request = {};
  request.command = "null";
  EXPECT_TRUE(provider_->exec(kTarget, request, {}, {}));
}

TEST_P(Placement, PassesInput) {
  const std::string text(300'000, 'q');
  ExecRequest inlineInput;
  inlineInput.input = std::as_bytes(std::span(text));
  EXPECT_EQ(runFake(*provider_, {"cat"}, {}, inlineInput).out, text);
  std::string longText(1'500'000, 'z');
  longText += "the end";
  TextSource source(longText);
  ExecRequest streamed;
  streamed.source = &source;
  const Ran ran = runFake(*provider_, {"cat"}, {}, streamed);
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_TRUE(ran.out == longText) << ran.out.size();
}

TEST_P(Placement, CarriesMuchOutput) {
  const Ran ran = runFake(*provider_, {"write", "5000000"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.out.size(), 5'000'000u);
}

TEST_P(Placement, CompletesLater) {
  const Ran ran = runFake(*provider_, {"later"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.exit->value, 5);
  EXPECT_EQ(ran.out, "later");
}

TEST_P(Placement, RunsTimers) {
  const Ran ran = runFake(*provider_, {"timer"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.exit->value, 0);
}

TEST_P(Placement, HandlesFiles) {
  const std::string name = "/f-" + std::to_string(static_cast<int>(GetParam()));
  const std::string content(100'000, 'c');
  FileWrite write;
  write.path = name;
  write.content = std::as_bytes(std::span(content));
  ASSERT_TRUE(provider_->fsWrite(kTarget, write, context_));
  std::string back;
  const OutputFunction take = [&](OutputStream stream, std::span<const std::byte> data) {
    EXPECT_EQ(stream, OutputStream::data);
    back.append(reinterpret_cast<const char*>(data.data()), data.size());
  };
  ASSERT_TRUE(provider_->fsRead(kTarget, name, 0, -1, take, context_));
  EXPECT_EQ(back, content);
  const auto missing = provider_->fsRead(kTarget, "/missing", 0, -1, take, context_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::fileNotFound);
  EXPECT_EQ(missing.error().what, "cannot read a file (/missing) on fake");
  const auto listed = provider_->fsList(kTarget, "/", context_);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 3u);
  const auto entry = provider_->fsStat(kTarget, "/f", true, context_);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->path, "/f");
  EXPECT_EQ(entry->type, EntryType::file);
  EXPECT_EQ(entry->size, 7);
  EXPECT_TRUE(provider_->fsMkdir(kTarget, "/d", true, 0755, context_));
  EXPECT_TRUE(provider_->fsRemove(kTarget, "/d", true, context_));
  EXPECT_TRUE(provider_->fsRename(kTarget, "/a", "/b", context_));
}

TEST_P(Placement, WritesFilesFromAStream) {
  const std::string name = "/s-" + std::to_string(static_cast<int>(GetParam()));
  TextSource source(std::string(700'000, 'y'));
  FileWrite write;
  write.path = name;
  write.source = &source;
  ASSERT_TRUE(provider_->fsWrite(kTarget, write, context_));
  std::size_t size = 0;
  const OutputFunction take = [&](OutputStream, std::span<const std::byte> data) { size += data.size(); };
  ASSERT_TRUE(provider_->fsRead(kTarget, name, 0, -1, take, context_));
  EXPECT_EQ(size, 700'000u);
}

TEST_P(Placement, HandlesProcesses) {
  const std::vector<std::string> words = {"sleep"};
  ProcessStart start;
  start.exec.argv = words;
  start.tag = "tagged";
  const auto started = provider_->processStart(kTarget, start, context_);
  ASSERT_TRUE(started) << formatError(started.error());
  EXPECT_EQ(started->id, "sleep");
  EXPECT_EQ(started->tag, "tagged");
  EXPECT_TRUE(started->running);
  EXPECT_EQ(started->pid, 42);
  const auto listed = provider_->processList(kTarget, context_);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 2u);
  std::string out;
  const OutputFunction take = [&](OutputStream, std::span<const std::byte> data) {
    out.append(reinterpret_cast<const char*>(data.data()), data.size());
  };
  ASSERT_TRUE(provider_->processAttach(kTarget, "p1", {.offset = 77}, take, context_));
  EXPECT_EQ(out, "from 77");
  const auto ended = provider_->processWait(kTarget, "p1", context_);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->value, 9);
  const std::string in = "in";
  EXPECT_TRUE(provider_->processWrite(kTarget, "p1", std::as_bytes(std::span(in)), true, context_));
  EXPECT_TRUE(provider_->processSignal(kTarget, "p1", 15, true, context_));
  const auto resized = provider_->processResize(kTarget, "p1", 80, 24, context_);
  ASSERT_FALSE(resized);
  EXPECT_EQ(resized.error().code, ErrorCode::unsupported);
  EXPECT_EQ(resized.error().what, "Provider 'fake' does not support resize.");
}

TEST_P(Placement, Dials) {
  TextSource source("ping");
  std::string out;
  bool ended = false;
  const OutputFunction take = [&](OutputStream stream, std::span<const std::byte> data) {
    if (stream == OutputStream::end) ended = true;
    out.append(reinterpret_cast<const char*>(data.data()), data.size());
  };
  const auto dialled = provider_->dial(kTarget, 80, source, take, context_);
  ASSERT_TRUE(dialled) << formatError(dialled.error());
  EXPECT_EQ(out, "ping");
  EXPECT_TRUE(ended);
}

TEST_P(Placement, ServesTheOtherExtensions) {
  const auto snapshot = provider_->snapshotCreate(kTarget, "before", {{"k", "v"}}, context_);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->name, "before");
  EXPECT_EQ(snapshot->sandboxId, "sb-1");
  const auto snapshots = provider_->snapshotList("sb-1", context_);
  ASSERT_TRUE(snapshots);
  EXPECT_EQ(snapshots->size(), 1u);
  EXPECT_TRUE(provider_->snapshotRemove("snap", context_));
  const auto templates = provider_->templateList(context_);
  ASSERT_TRUE(templates);
  EXPECT_EQ(templates->front().id, "tpl");

  const auto named = provider_->namedFind("default", "there", context_);
  ASSERT_TRUE(named);
  ASSERT_TRUE(named->has_value());
  EXPECT_EQ((*named)->info.id, "named");
  const auto absent = provider_->namedFind("default", "absent", context_);
  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->has_value());
  CreateRequest request;
  request.image = "debian";
  const auto made = provider_->namedFindOrCreate("default", "new", request, context_);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->info.id, "made-debian");

  EXPECT_TRUE(provider_->extend(kTarget, std::chrono::minutes(5), context_));
  const auto paused = provider_->pause(kTarget, context_);
  ASSERT_FALSE(paused);
  EXPECT_EQ(paused.error().code, ErrorCode::unsupported);

  const auto answer = provider_->vendorCall(kTarget, "echo", R"({"a":[1,2]})", context_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, R"({"a":[1,2]})");
  const auto torn = provider_->vendorCall(kTarget, "echo", "{torn", context_);
  ASSERT_FALSE(torn);
  EXPECT_EQ(torn.error().code, ErrorCode::invalidArgument);
  EXPECT_FALSE(torn.error().fix.empty());
  const auto nonsense = provider_->vendorCall(kTarget, "not-json", "", context_);
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code, ErrorCode::dataLoss);
}

TEST_P(Placement, DescribesFailures) {
  const Ran limited = runFake(*provider_, {"rate-limit"});
  ASSERT_FALSE(limited.exit);
  const ErrorInfo& error = limited.exit.error();
  EXPECT_EQ(error.code, ErrorCode::rateLimited);
  EXPECT_EQ(error.retryAfter, std::chrono::milliseconds(1500));
  EXPECT_TRUE(error.retryable);
  EXPECT_EQ(error.vendorCode, "fake_code");
  EXPECT_EQ(error.requestId, "req-1");
  EXPECT_EQ(error.provider, "fake");
  EXPECT_EQ(error.sandboxId, "sb-1");
  EXPECT_FALSE(error.fix.empty());
  // An operation that exists and refuses one wish is not an operation that is missing.
  CreateRequest request;
  request.name = "network";
  const auto refused = provider_->create(request, context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().why, "the network cannot be switched off");
}

TEST_P(Placement, NeverShowsSecrets) {
  Lines lines;
  const auto provider = mustOpen({.mode = GetParam()}, &lines);
  ASSERT_NE(provider, nullptr);
  const auto leaked = provider->inspect({"leak", "sandbox-token-xyz"}, {});
  ASSERT_FALSE(leaked);
  EXPECT_EQ(leaked.error().why, "token *** key ***");
  ASSERT_TRUE(runFake(*provider, {"log"}).exit);
  EXPECT_EQ(lines.all().find("secret-key"), std::string::npos);
  EXPECT_NE(lines.all().find("the key is *** second"), std::string::npos) << lines.all();
}

TEST_P(Placement, RefusesABadConfiguration) {
  Lines lines;
  const auto refused = openFake({.mode = GetParam(), .apiKey = "refuse-me"}, &lines);
  ASSERT_FALSE(refused);
  EXPECT_EQ(lines.all(), "") << "what the caller is told is not told twice";
  EXPECT_EQ(refused.error().code, ErrorCode::authFormat);
  EXPECT_EQ(refused.error().why, "the key *** is not liked");
  EXPECT_EQ(refused.error().what, "cannot open provider 'fake'");
  EXPECT_EQ(refused.error().vendorHttpStatus, 401);
  EXPECT_EQ(refused.error().retryAfter, std::chrono::milliseconds(1500));
  EXPECT_EQ(refused.error().vendorCode, "bad_key");
  EXPECT_EQ(refused.error().vendorText, R"({"error":"bad_key"})");
  EXPECT_EQ(refused.error().requestId, "req-1");
}

TEST_P(Placement, HandsOverReferencesWhenTheHostKeepsSecrets) {
  const auto provider = mustOpen({.mode = GetParam(), .secrets = Secrets::host});
  ASSERT_NE(provider, nullptr);
  const auto leaked = provider->inspect({"leak", ""}, {});
  ASSERT_FALSE(leaked);
  EXPECT_EQ(leaked.error().why, "token  key api_key");
}

}  // namespace
}  // namespace computesdk::registry

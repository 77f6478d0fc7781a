#include "redis/client.hpp"

#include "store/engine.hpp"
#include "store/rate.hpp"
#include "store/redis_scripts.hpp"
#include "store/store.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::gateway {
namespace {

using store::redis::Client;
using store::redis::Reply;

constexpr const char* kSchemaKey = "computesdk:schema";
constexpr int kSchema = 1;
/// Longer than anybody goes on trying.
constexpr const char* kMarkMs = "120000";
/// Keys of one read; a script has no room for very many arguments.
constexpr std::size_t kReadAtOnce = 500;

std::int64_t parse(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// The value of `name:value` in what INFO says, or empty.
std::string infoOf(const std::string& info, const std::string& name) {
  const std::size_t at = info.find("\n" + name + ":");
  if (at == info.npos) return {};
  const std::size_t from = at + name.size() + 2;
  return info.substr(from, info.find_first_of("\r\n", from) - from);
}

class RedisEngine : public Engine {
 public:
  RedisEngine(store::redis::Address address, std::chrono::milliseconds patience, std::size_t connections)
      : client_(std::move(address), patience, connections) {}

  Result<void> prepare() {
    auto made = client_.call({"SET", kSchemaKey, std::to_string(kSchema), "NX"});
    if (!made) return std::move(made).error();
    auto version = client_.call({"GET", kSchemaKey});
    if (!version) return std::move(version).error();
    if (parse(version->text) == kSchema) return {};
    return broken("its records are of version " + version->text + ", this program's of " + std::to_string(kSchema),
                  "use the version of the product that wrote them, or another database: redis://HOST:PORT/DB");
  }

  Result<Values> read(std::span<const std::string> keys) override {
    Values values;
    if (keys.empty()) return time();
    for (std::size_t from = 0; from < keys.size(); from += kReadAtOnce) {
      const auto part = keys.subspan(from, std::min(kReadAtOnce, keys.size() - from));
      auto answer = client_.run(scripts::kRead, {part.begin(), part.end()}, {});
      if (!answer) return std::move(answer).error();
      if (answer->items.size() != part.size() + 1) return unexpected();
      for (std::size_t i = 0; i < part.size(); ++i) {
        Reply& item = answer->items[i];
        const bool there = item.kind == Reply::Kind::text;
        values.values.push_back(there ? std::optional(std::move(item.text)) : std::nullopt);
      }
      values.nowMs = answer->items.back().number;
    }
    return values;
  }

  Result<Applied> apply(std::span<const Step> steps) override {
    std::vector<std::string> keys = {"computesdk:done:" + newUuid()};
    std::vector<std::string> args = {kMarkMs};
    for (const Step& step : steps) {
      keys.push_back(step.key);
      if (step.kind == Step::Kind::removeIfEmpty) keys.push_back(step.value);
      args.push_back(std::to_string(static_cast<std::int32_t>(step.kind)));
      args.push_back(step.value);
      args.push_back(std::to_string(step.number));
    }
    auto answer = client_.run(scripts::kApply, keys, args);
    if (!answer) return std::move(answer).error();
    if (answer->items.size() != 2) return unexpected();
    Applied applied;
    if (answer->items[0].number >= 0) applied.failed = static_cast<std::size_t>(answer->items[0].number);
    applied.nowMs = answer->items[1].number;
    return applied;
  }

  Result<std::vector<Member>> members(const std::string& set, std::int64_t upTo, std::size_t most) override {
    // Scores are doubles: above this whole numbers are no longer told apart.
    const std::string to = upTo >= (std::int64_t{1} << 53) ? "+inf" : std::to_string(upTo);
    auto answer = client_.call({"ZRANGEBYSCORE", set, "-inf", to, "WITHSCORES", "LIMIT", "0", std::to_string(most)});
    if (!answer) return std::move(answer).error();
    std::vector<Member> found;
    for (std::size_t i = 0; i + 1 < answer->items.size(); i += 2) {
      found.push_back({std::move(answer->items[i].text), parse(answer->items[i + 1].text)});
    }
    return found;
  }

  Result<std::int64_t> size(const std::string& set) override {
    auto answer = client_.call({"ZCARD", set});
    if (!answer) return std::move(answer).error();
    return answer->number;
  }

  Result<RateAnswer> hit(const std::string& key, std::int64_t limit, std::chrono::milliseconds window) override {
    auto answer = client_.run(scripts::kHit, {key}, {std::to_string(limit), std::to_string(window.count())});
    if (!answer) return std::move(answer).error();
    if (answer->items.size() != 5) return unexpected();
    const auto& items = answer->items;
    const RateWindow state = {items[2].number, items[3].number, items[4].number};
    return rateAnswer(state, items[0].number == 1, items[1].number, limit, window.count());
  }

  Result<std::vector<LogEntry>> tail(const std::string& log, const std::string& before, std::size_t most) override {
    const std::string from = before.empty() ? "+" : "(" + before;
    auto answer = client_.call({"XREVRANGE", log, from, "-", "COUNT", std::to_string(most)});
    if (!answer) return std::move(answer).error();
    std::vector<LogEntry> entries;
    for (Reply& item : answer->items) {
      if (item.items.size() != 2 || item.items[1].items.size() != 2) return unexpected();
      entries.push_back({std::move(item.items[0].text), std::move(item.items[1].items[1].text)});
    }
    return entries;
  }

  Result<std::vector<std::string>> concerns() override {
    auto info = client_.call({"INFO"});
    if (!info) return std::move(info).error();
    std::vector<std::string> found;
    if (infoOf(info->text, "aof_enabled") == "0") {
      found.emplace_back(
          "Redis keeps no append-only file: sandboxes and names are lost when it stops. Set: appendonly yes");
    }
    const std::string policy = infoOf(info->text, "maxmemory_policy");
    if (!policy.empty() && policy != "noeviction" && infoOf(info->text, "maxmemory") != "0") {
      found.emplace_back("Redis throws keys away when its memory is full (maxmemory-policy " + policy +
                         "). Set: maxmemory-policy noeviction");
    }
    return found;
  }

  [[nodiscard]] const std::string& where() const noexcept override { return client_.shown(); }

 private:
  Result<Values> time() {
    auto answer = client_.call({"TIME"});
    if (!answer) return std::move(answer).error();
    if (answer->items.size() != 2) return unexpected();
    return Values{{}, parse(answer->items[0].text) * 1000 + parse(answer->items[1].text) / 1000};
  }
  [[nodiscard]] ErrorInfo broken(std::string why, std::string fix) const {
    ErrorInfo error;
    error.code = ErrorCode::store;
    error.what = "cannot use the store " + client_.shown();
    error.why = std::move(why);
    error.fix = std::move(fix);
    return error;
  }
  [[nodiscard]] ErrorInfo unexpected() const {
    return broken("Redis gave an answer of another shape than was asked for", "see that it is Redis 6.2 or later");
  }

  Client client_;
};

}  // namespace

Result<std::unique_ptr<Engine>> openRedis(const std::string& url, std::chrono::milliseconds patience,
                                          std::size_t connections) {
  auto address = store::redis::parseUrl(url);
  if (!address) return std::move(address).error();
  auto engine = std::make_unique<RedisEngine>(std::move(*address), patience, std::max<std::size_t>(1, connections));
  if (auto prepared = engine->prepare(); !prepared) return std::move(prepared).error();
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace computesdk::gateway

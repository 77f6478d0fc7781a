#pragma once

#include "redis/client.hpp"

// What Redis runs for the engine. Each script is atomic, and all of them take the time from Redis. Their keys are all
// in KEYS. Numbers of steps are those of Step::Kind.
namespace computesdk::gateway::scripts {

/// KEYS: entries. Answer: their values, then the time.
inline constexpr store::redis::Script kRead = {"read", R"lua(
local time = redis.call('TIME')
local answer = redis.call('MGET', unpack(KEYS))
answer[#KEYS + 1] = time[1] * 1000 + math.floor(time[2] / 1000)
return answer
)lua"};

/// KEYS: the mark that these steps were done, then the key of each step (two for removeIfEmpty). ARGV: how long the
/// mark is kept (ms), then kind, value and number of each step. Answer: index of the condition that failed or -1, the
/// time. The mark makes a second try after a lost connection harmless.
inline constexpr store::redis::Script kApply = {"apply", R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 1 then return {-1, now} end

local function text(number) return string.format('%.0f', number) end
local steps = (#ARGV - 1) / 3

for i = 1, math.min(steps, #KEYS - 1) do
  local kind, key, value, number = tonumber(ARGV[3 * i - 1]), KEYS[i + 1], ARGV[3 * i], tonumber(ARGV[3 * i + 1])
  if kind >= 10 then break end
  local holds
  if kind == 1 then
    holds = redis.call('GET', key) == value
  elseif kind == 2 then
    holds = redis.call('EXISTS', key) == 0
  elseif kind == 3 then
    holds = redis.call('ZCARD', key) < number
  elseif kind == 4 then
    local score = redis.call('ZSCORE', key, value)
    holds = score and tonumber(score) <= now
  end
  if not holds then return {i - 1, now} end
end

local at = 1
for i = 1, steps do
  local kind, value, number = tonumber(ARGV[3 * i - 1]), ARGV[3 * i], tonumber(ARGV[3 * i + 1])
  at = at + 1
  local key = KEYS[at]
  if kind == 10 then
    redis.call('SET', key, value)
  elseif kind == 11 then
    redis.call('SET', key, value, 'PX', text(number))
  elseif kind == 12 then
    redis.call('DEL', key)
  elseif kind == 13 then
    if redis.call('GET', key) == value then redis.call('DEL', key) end
  elseif kind == 14 then
    at = at + 1
    if redis.call('EXISTS', KEYS[at]) == 0 then redis.call('DEL', key) end
  elseif kind == 20 then
    redis.call('ZADD', key, text(number), value)
  elseif kind == 21 then
    redis.call('ZADD', key, text(now + number), value)
  elseif kind == 22 then
    redis.call('ZREM', key, value)
  elseif kind == 30 then
    redis.call('XADD', key, 'MAXLEN', '~', text(number), '*', 'e', value)
  end
end
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return {-1, now}
)lua"};

/// KEYS: the counter. ARGV: limit, window (ms). Answer: let through or not (1 or 0), the time, index, count, before.
inline constexpr store::redis::Script kHit = {"hit", R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local current = math.floor(now / window)
local count, before = 0, 0
local known = redis.call('GET', KEYS[1])
if known then
  local index, c, b = string.match(known, '^(%d+) (%d+) (%d+)$')
  if tonumber(index) == current then
    count, before = tonumber(c), tonumber(b)
  elseif tonumber(index) == current - 1 then
    before = tonumber(c)
  end
end
local allowed = count * window + before * (window - now % window) + window <= limit * window
if allowed then
  count = count + 1
  redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', current, count, before), 'PX', ARGV[2] * 2)
end
return {allowed and 1 or 0, now, current, count, before}
)lua"};

}  // namespace computesdk::gateway::scripts

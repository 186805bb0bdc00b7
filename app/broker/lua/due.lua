#!lua flags=allow-oom
-- Moves delayed messages whose time has come into their streams.
--
-- KEYS      per queue five: due zset, its bodies, streams high to low
-- ARGV[1]   most messages moved by one call
-- RETURNS   {moved, ms until the next one is due; -1 when none waits}
-- WHY       Moved in one act, a message is never in both places and never in none. Whoever is alive calls
--           it; two at once move nothing twice. Only the server's clock counts.

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local left = tonumber(ARGV[1])
local moved, next_ms = 0, -1

local function move(first, member)
  local body = redis.call('HGET', KEYS[first + 1], member)
  local level = tonumber(string.match(member, '^([012])|')) or 1
  if body then
    redis.call('XADD', KEYS[first + 2 + level], '*', 'm', body)
    redis.call('HDEL', KEYS[first + 1], member)
  end
  redis.call('ZREM', KEYS[first], member)
  moved = moved + 1
end

for first = 1, #KEYS, 5 do
  if left - moved > 0 then
    for _, member in ipairs(redis.call('ZRANGE', KEYS[first], '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, left - moved)) do
      move(first, member)
    end
  end
  local head = redis.call('ZRANGE', KEYS[first], 0, 0, 'WITHSCORES')
  if head[2] then
    local wait_ms = math.max(0, math.ceil(tonumber(head[2]) - now_ms))
    if next_ms < 0 or wait_ms < next_ms then
      next_ms = wait_ms
    end
  end
end
return {moved, next_ms}

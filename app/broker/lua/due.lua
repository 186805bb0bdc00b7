#!lua flags=allow-oom
-- Moves delayed messages whose time has come into their streams.
--
-- KEYS      per queue six: streams high to low, due zset, its bodies, depth
-- ARGV[1]   most messages moved by one call
-- ARGV[2]   '1' when the streams are shared by all queues
-- ARGV[3..] per queue one: its name
-- RETURNS   {moved, ms until the next one is due; -1 when none waits}
-- WHY       Moved in one act, a message is never in both places and never in none. Whoever is alive calls
--           it; two at once move nothing twice. Only the server's clock counts.

local left = tonumber(ARGV[1])
local moved, next_ms = 0, -1
local now_ms

local function server_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function move(first, queue, member)
  local body = redis.call('HGET', KEYS[first + 4], member)
  local level = tonumber(string.match(member, '^([012])|')) or 1
  if body then
    add(KEYS[first + level], KEYS[first + 5], queue, ARGV[2], body)
    redis.call('HDEL', KEYS[first + 4], member)
  end
  redis.call('ZREM', KEYS[first + 3], member)
  moved = moved + 1
end

for place = 1, #ARGV - 2 do
  local first = (place - 1) * 6 + 1
  local due = KEYS[first + 3]
  local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  -- Most of the time nothing is delayed, and nobody needs to know what time it is.
  now_ms = now_ms or head[2] and server_ms()
  if head[2] and tonumber(head[2]) <= now_ms and left - moved > 0 then
    for _, member in ipairs(redis.call('ZRANGE', due, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, left - moved)) do
      move(first, ARGV[2 + place], member)
    end
    head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  end
  if head[2] then
    local wait_ms = math.max(0, math.ceil(tonumber(head[2]) - now_ms))
    if next_ms < 0 or wait_ms < next_ms then
      next_ms = wait_ms
    end
  end
end
return {moved, next_ms}

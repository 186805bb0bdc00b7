#!lua flags=no-writes,allow-oom
-- Counts what queues hold.
--
-- KEYS      per queue five: streams high to low, due zset, dead letters
-- ARGV      per queue one: its group
-- RETURNS   per queue five numbers: waiting, in flight, delayed, dead, age of the oldest waiting entry in ms
-- WHY       One consistent view: a message that moves between two look-ups would be counted twice or not at
--           all. Waiting is length less pending; the server's own `lag` is unknown after deletions and
--           failovers.

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)

local function last_delivered(stream, group)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, row in ipairs(groups.err and {} or groups) do
    local found = {}
    for field = 1, #row, 2 do
      found[row[field]] = row[field + 1]
    end
    if found.name == group then
      return found['last-delivered-id'], found.pending
    end
  end
  return '0-0', 0
end

local reply = {}
for i = 1, #ARGV do
  local first = (i - 1) * 5
  local waiting, in_flight, age_ms = 0, 0, 0
  for level = 1, 3 do
    local stream = KEYS[first + level]
    local delivered, pending = last_delivered(stream, ARGV[i])
    local oldest = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)
    if oldest[1] then
      age_ms = math.max(age_ms, now_ms - tonumber(string.match(oldest[1][1], '^%d+')))
    end
    waiting = waiting + math.max(0, redis.call('XLEN', stream) - pending)
    in_flight = in_flight + pending
  end
  reply[i] = {waiting, in_flight, redis.call('ZCARD', KEYS[first + 4]), redis.call('ZCARD', KEYS[first + 5]), age_ms}
end
return reply

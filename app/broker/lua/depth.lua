#!lua flags=no-writes,allow-oom
-- Counts what queues hold.
--
-- KEYS      per queue seven: streams high to low, due zset, dead letters, depth, set of paused queues
-- ARGV[1]   '1' when the streams are shared by all queues
-- ARGV[2]   how many entries of a shared stream are looked at for the oldest one
-- ARGV[3..] per queue one: its name, which is its group
-- RETURNS   per queue: waiting, in flight, delayed, dead, age of the oldest waiting entry in ms, paused,
--           {waiting at level high, normal, low}, which is empty for shared streams, and for how many ms the
--           earliest delayed message has been due
-- WHY       One consistent view: a message that moves between two look-ups would be counted twice or not at
--           all. Waiting is length less pending; the server's own `lag` is unknown after deletions and
--           failovers. A shared stream has no length of its own per queue: the counter stands in.

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local shared = ARGV[1]

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

local function age_of_oldest(stream, queue, delivered)
  local count = shared == '1' and ARGV[2] or 1
  for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', count)) do
    if not foreign(entry[2], queue, shared) then
      return now_ms - tonumber(string.match(entry[1], '^%d+'))
    end
  end
  return 0
end

-- Whoever is alive moves what is due, so this grows when nobody is.
local function overdue(due)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, now_ms - tonumber(first[2])) or 0
end

local reply = {}
for i = 1, #ARGV - 2 do
  local first, queue = (i - 1) * 7, ARGV[i + 2]
  local held, in_flight, age_ms, levels = 0, 0, 0, {}
  for level = 1, 3 do
    local stream = KEYS[first + level]
    local delivered, pending = last_delivered(stream, queue)
    age_ms = math.max(age_ms, age_of_oldest(stream, queue, delivered))
    local length = redis.call('XLEN', stream)
    levels[level] = math.max(0, length - pending)
    held = held + length
    in_flight = in_flight + pending
  end
  if shared == '1' then
    held = math.max(0, tonumber(redis.call('HGET', KEYS[first + 6], queue) or 0))
    -- Entries of other queues are pending for the moment between a read and its acknowledgement.
    in_flight, levels = math.min(in_flight, held), {}
  end
  reply[i] = {
    math.max(0, held - in_flight), in_flight, redis.call('ZCARD', KEYS[first + 4]), redis.call('ZCARD', KEYS[first + 5]),
    age_ms, redis.call('SISMEMBER', KEYS[first + 7], queue), levels, overdue(KEYS[first + 4]),
  }
end
return reply

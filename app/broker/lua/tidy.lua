#!lua flags=allow-oom
-- Deletes the names of dead consumers from the groups of a queue, and of dead workers from their list.
--
-- KEYS[1]   tidy lock of the queue
-- KEYS[2]   workers           zset of worker ids by last beat
-- KEYS[3..5] streams
-- ARGV[1]   group
-- ARGV[2]   caller
-- ARGV[3]   idle time from which a consumer may be dead, ms
-- ARGV[4]   how long one beat counts, ms
-- ARGV[5]   shortest time between two calls of the whole fleet, ms
-- ARGV[6]   how long a worker that fell silent stays listed, ms
-- RETURNS   how many names were deleted, at most 100
-- WHY       Every start of a worker leaves a name behind. Deleting a consumer drops what it has pending,
--           unreachable for ever, so looking and deleting must be one act, and only empty ones go.

if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[5]) then
  return 0
end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_ms - ARGV[6])
local deleted = 0

local function dead(consumer)
  local beat_ms = redis.call('ZSCORE', KEYS[2], consumer.name)
  local alive = beat_ms and now_ms - tonumber(beat_ms) < tonumber(ARGV[4])
  return consumer.pending == 0 and consumer.idle > tonumber(ARGV[3]) and not alive
end

for i = 3, 5 do
  local rows = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], ARGV[1])
  for _, row in ipairs(rows.err and {} or rows) do
    local consumer = {}
    for field = 1, #row, 2 do
      consumer[row[field]] = row[field + 1]
    end
    if deleted < 100 and dead(consumer) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[i], ARGV[1], consumer.name)
      deleted = deleted + 1
    end
  end
end
return deleted

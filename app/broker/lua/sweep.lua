#!lua flags=allow-oom
-- Takes over entries whose worker has been silent for longer than the lease.
--
-- KEYS[1]   sweep hash of the queue
-- KEYS[2]   sweep lock of the queue
-- KEYS[3..5] streams, high to low
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3]   lease, ms
-- ARGV[4]   how many entries the caller can take
-- ARGV[5]   shortest time between two sweeps of the whole fleet, ms
-- ARGV[6]   most pending entries looked at per stream
-- RETURNS   false when somebody swept just now; else {stolen counter, then per entry: level, id, deliveries, fields}
-- WHY       The cursor is kept here, so a sweep goes on where the last one stopped, whoever made it: one
--           that starts from the beginning each time never gets past many live entries. The lock makes
--           the cost independent of the number of workers.

if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[5]) then
  return false
end
local group, consumer = ARGV[1], ARGV[2]
local free = tonumber(ARGV[4])
local reply = {'0'}

local function take(level, stream, entry)
  local found = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)
  reply[#reply + 1] = {level, entry[1], found[1] and found[1][4] or 1, entry[2]}
  free = free - 1
end

local function sweep(level, stream)
  local cursor = redis.call('HGET', KEYS[1], level) or '0-0'
  local left = tonumber(ARGV[6])
  while free > 0 and left > 0 do
    local count = math.min(free, 100)
    -- pcall: a stream whose group has vanished has nothing to take over.
    local claimed = redis.pcall('XAUTOCLAIM', stream, group, consumer, ARGV[3], cursor, 'COUNT', count)
    if claimed.err then
      return
    end
    for _, entry in ipairs(claimed[2]) do
      take(level, stream, entry)
    end
    cursor = claimed[1]
    left = left - count * 10  -- XAUTOCLAIM looks at ten times COUNT
    if cursor == '0-0' then
      break
    end
  end
  redis.call('HSET', KEYS[1], level, cursor)
end

for level = 0, 2 do
  sweep(level, KEYS[3 + level])
end
if #reply > 1 then
  redis.call('HINCRBY', KEYS[1], 'stolen', 1)
end
reply[1] = redis.call('HGET', KEYS[1], 'stolen') or '0'
return reply

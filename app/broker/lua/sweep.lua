#!lua flags=allow-oom
-- Takes over entries whose worker has been silent for longer than the lease.
--
-- KEYS[1]   sweep hash of the queue
-- KEYS[2]   sweep lock of the queue
-- KEYS[3]   paused            set of paused queues
-- KEYS[4]   starts            hash of begun and unfinished runs
-- KEYS[5..7] streams, high to low
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   consumer
-- ARGV[3]   '1' when the streams are shared by all queues
-- ARGV[4]   lease, ms
-- ARGV[5]   how many entries the caller can take
-- ARGV[6]   shortest time between two sweeps of the whole fleet, ms
-- ARGV[7]   most pending entries looked at per stream
-- ARGV[8]   wake channel
-- RETURNS   'paused' when the queue is; false when somebody swept just now; else
--           {stolen counter, then per entry: level, id, deliveries, fields, begun runs}
-- WHY       The cursor is kept here, so a sweep goes on where the last one stopped, whoever made it: one
--           that starts from the beginning each time never gets past many live entries. The lock makes
--           the cost independent of the number of workers. A worker without room leaves the lock alone;
--           one that took all it had room for calls the others, who may have room for what is left.

local group, consumer, shared = ARGV[1], ARGV[2], ARGV[3]
if redis.call('SISMEMBER', KEYS[3], group) == 1 then
  return 'paused'
end
local free = tonumber(ARGV[5])
if free <= 0 or not redis.call('SET', KEYS[2], consumer, 'NX', 'PX', ARGV[6]) then
  return false
end
local reply = {'0'}

local function take(level, stream, entry)
  local found = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)
  local starts = redis.call('HGET', KEYS[4], level .. '|' .. entry[1]) or ''
  reply[#reply + 1] = {level, entry[1], found[1] and found[1][4] or 1, entry[2], starts}
  free = free - 1
end

local function sweep(level, stream, start)
  local cursor = start
  local left = tonumber(ARGV[7])
  while free > 0 and left > 0 do
    local count = math.min(free, 100)
    -- pcall: a stream whose group has vanished has nothing to take over.
    local claimed = redis.pcall('XAUTOCLAIM', stream, group, consumer, ARGV[4], cursor, 'COUNT', count)
    if claimed.err then
      return
    end
    for _, entry in ipairs(claimed[2]) do
      if foreign(entry[2], group, shared) then
        redis.call('XACK', stream, group, entry[1])
      else
        take(level, stream, entry)
      end
    end
    cursor = claimed[1]
    left = left - count * 10  -- XAUTOCLAIM looks at ten times COUNT
    if cursor == '0-0' then
      break
    end
  end
  if cursor ~= start then
    redis.call('HSET', KEYS[1], level, cursor)
  end
end

local cursors = redis.call('HMGET', KEYS[1], '0', '1', '2')
for level = 0, 2 do
  sweep(level, KEYS[5 + level], cursors[level + 1] or '0-0')
end
if #reply > 1 then
  redis.call('HINCRBY', KEYS[1], 'stolen', 1)
  if free <= 0 then
    redis.call('DEL', KEYS[2])
    redis.call('SPUBLISH', ARGV[8], 'sweep:' .. group)
  end
end
reply[1] = redis.call('HGET', KEYS[1], 'stolen') or '0'
return reply

#!lua flags=allow-oom
-- Takes over entries whose worker has been silent for longer than the lease, and says when to look again.
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
-- ARGV[7]   longest time, ms; no longer than the lease
-- ARGV[8]   most pending entries looked at per stream
-- ARGV[9]   wake channel
-- RETURNS   {1 when the queue is paused, else 0; ms until the next look; stolen counter when something was taken;
--           per entry: level, id, deliveries, fields, begun runs}
-- WHY       What is fetched after this look cannot lapse before a lease is over, and what is pending now not
--           before its own; so the lock lives until something can have lapsed, and a fleet at rest is quiet.
--           The cursor is kept here, so a sweep of many goes on where the last one stopped, whoever made it:
--           one that starts from the beginning each time never gets past many live entries. A worker without
--           room leaves the lock alone; one that took all it had room for calls the others, who may have room
--           for what is left.

local group, consumer, shared = ARGV[1], ARGV[2], ARGV[3]
local lease, shortest, longest = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
if redis.call('SISMEMBER', KEYS[3], group) == 1 then
  return {1, longest}
end
local free = tonumber(ARGV[5])
if free <= 0 then
  return {0, shortest}
end
if not redis.call('SET', KEYS[2], consumer, 'NX', 'PX', longest) then
  local left = redis.call('PTTL', KEYS[2])
  -- A lock without an end, or of a worker with a longer lease, must neither hold us up nor make us spin.
  return {0, left >= 0 and math.min(longest, left) or longest}
end
local PAGE = math.min(100, tonumber(ARGV[8]))
local reply = {0, longest, '0'}

-- How long the longest silent of a page of pending entries has been so, and whether there are more.
local function silence(stream)
  -- pcall: a stream whose group has vanished has nothing to take over.
  local rows = redis.pcall('XPENDING', stream, group, '-', '+', PAGE)
  local most = -1
  for i = 1, #rows do
    most = math.max(most, rows[i][3])
  end
  return most, #rows == PAGE
end

local function take(level, stream, entry)
  local found = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)
  local starts = redis.call('HGET', KEYS[4], level .. '|' .. entry[1]) or ''
  reply[#reply + 1] = {level, entry[1], found[1] and found[1][4] or 1, entry[2], starts}
  free = free - 1
end

local function sweep(level, stream, start)
  local cursor = start
  local left = tonumber(ARGV[8])
  while free > 0 and left > 0 do
    local count = math.min(free, 100)
    local claimed = redis.pcall('XAUTOCLAIM', stream, group, consumer, lease, cursor, 'COUNT', count)
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

for level = 0, 2 do
  local stream = KEYS[5 + level]
  local silent, crowded = silence(stream)
  if crowded then
    sweep(level, stream, redis.call('HGET', KEYS[1], level) or '0-0')
  elseif silent >= lease then
    sweep(level, stream, '0-0')
  end
  if crowded or silent >= lease then
    reply[2] = shortest
  elseif silent >= 0 then
    reply[2] = math.max(shortest, math.min(reply[2], lease - silent))
  end
end
if #reply > 3 then
  reply[3] = tostring(redis.call('HINCRBY', KEYS[1], 'stolen', 1))
end
if #reply > 3 and free <= 0 then
  redis.call('DEL', KEYS[2])
  redis.pcall('SPUBLISH', ARGV[9], 'sweep:' .. group)
elseif reply[2] < longest then
  redis.call('PEXPIRE', KEYS[2], reply[2])
end
return reply

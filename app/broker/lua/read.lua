#!lua flags=allow-oom
-- Reads new entries of a queue, the streams in the order given, without waiting.
--
-- KEYS[1..3] streams, the one to read first first
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   consumer
-- ARGV[3]   '1' when the streams are shared by all queues
-- ARGV[4]   how many entries the caller can take
-- ARGV[5]   how many entries of a shared stream are looked at
-- RETURNS   {1 when entries of other queues stood in the way, so that more may wait, else 0;
--           per entry: {position of its stream in KEYS counted from 0, id, fields} ...}
-- WHY       XREADGROUP applies COUNT to each stream by itself: three streams could return three times
--           what the worker has room for, and low entries would be held while high ones arrive.
--           In a shared stream the entries of other queues are counted first, so that no more of our own
--           come than there is room for, and are acknowledged here.

local group, consumer, shared = ARGV[1], ARGV[2], ARGV[3]
local left = tonumber(ARGV[4])
local skipped = 0
local reply = {0}

local function reach(stream)
  if shared ~= '1' then
    return left
  end
  local after = '0-0'
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if row[2] == group then
      after = row[8]
    end
  end
  local own, count = 0, 0
  for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', ARGV[5])) do
    own = own + (foreign(entry[2], group, shared) and 0 or 1)
    if own > left then
      break
    end
    count = count + 1
  end
  return count
end

local function read(position)
  local stream = KEYS[position + 1]
  local count = reach(stream)
  if count == 0 then
    return
  end
  local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  local others = {}
  for _, entry in ipairs(found and found[1][2] or {}) do
    if foreign(entry[2] or {}, group, shared) then
      others[#others + 1] = entry[1]
    else
      reply[#reply + 1] = {position, entry[1], entry[2]}
      left = left - 1
    end
  end
  if #others > 0 then
    redis.call('XACK', stream, group, unpack(others))
    skipped = 1
  end
end

for position = 0, 2 do
  if left > 0 then
    read(position)
  end
end
reply[1] = skipped
return reply

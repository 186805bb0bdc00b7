#!lua flags=allow-oom
-- Reads new entries of a queue, the streams in the order given, without waiting.
--
-- KEYS[1..3] streams, the one to read first first
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   consumer
-- ARGV[3]   '1' when the streams are shared by all queues
-- ARGV[4]   how many entries the caller can take
-- ARGV[5]   how many entries of a shared stream are looked at
-- RETURNS   {1 when entries of other queues stood in the way, so that more may wait, else 0; how many entries
--           of each of the three streams; then per entry two: id, its field `m` or nil when it has none}
-- WHY       XREADGROUP applies COUNT to each stream by itself: three streams could return three times
--           what the worker has room for, and low entries would be held while high ones arrive.
--           In a shared stream the entries of other queues are counted first, so that no more of our own
--           come than there is room for, and are acknowledged here. The reply is one flat list, because
--           each list inside costs the server more than the entry in it.

local group, consumer, shared = ARGV[1], ARGV[2], ARGV[3]
local left = tonumber(ARGV[4])
local reply = {0, 0, 0, 0}
local size = 4

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

local function body_of(fields)
  if fields[1] == 'm' then
    return fields[2]
  end
  for i = 3, #fields, 2 do
    if fields[i] == 'm' then
      return fields[i + 1]
    end
  end
  return false
end

local function read(position)
  local stream = KEYS[position]
  local count = reach(stream)
  if count == 0 then
    return
  end
  local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  local others = {}
  local entries = found and found[1][2] or {}
  for i = 1, #entries do
    local id, fields = entries[i][1], entries[i][2]
    if foreign(fields, group, shared) then
      others[#others + 1] = id
    else
      reply[size + 1], reply[size + 2] = id, body_of(fields)
      size = size + 2
    end
  end
  local own = #entries - #others
  reply[position + 1] = own
  left = left - own
  if #others > 0 then
    redis.call('XACK', stream, group, unpack(others))
    reply[1] = 1
  end
end

for position = 1, 3 do
  if left > 0 then
    read(position)
  end
end
return reply

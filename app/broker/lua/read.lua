#!lua flags=allow-oom
-- Reads new entries of a queue, the streams in the order given, without waiting.
--
-- KEYS[1..3] streams, the one to read first first
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3]   how many entries the caller can take
-- RETURNS   per entry: {position of its stream in KEYS counted from 0, id, fields}
-- WHY       XREADGROUP applies COUNT to each stream by itself: three streams could return three times
--           what the worker has room for, and low entries would be held while high ones arrive.

local left = tonumber(ARGV[3])
local reply = {}
for position = 0, 2 do
  if left > 0 then
    local stream = KEYS[position + 1]
    local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', left, 'STREAMS', stream, '>')
    for _, entry in ipairs(read and read[1][2] or {}) do
      reply[#reply + 1] = {position, entry[1], entry[2]}
      left = left - 1
    end
  end
end
return reply

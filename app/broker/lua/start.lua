#!lua flags=allow-oom
-- Marks an entry as begun, before its actor runs.
--
-- KEYS[1]   stream
-- KEYS[2]   starts            hash of begun and unfinished runs
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3]   entry id
-- ARGV[4]   field of the entry in `starts`
-- ARGV[5]   which delivery this is
-- RETURNS   1 when the mark stands, 0 when the entry is not (any more) ours
-- WHY       A process that dies cannot say which of its messages killed it. Marks left behind tell. Sent
--           twice, the line is already there.

if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
local lines = redis.call('HGET', KEYS[2], ARGV[4])
local who = '{"worker":' .. cjson.encode(ARGV[2]) .. ',"delivery":' .. ARGV[5]
if lines and string.find(lines, who, 1, true) then
  return 1
end
local now = redis.call('TIME')
local line = who .. ',"at":' .. string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000)) .. '}'
redis.call('HSET', KEYS[2], ARGV[4], lines and lines .. '\n' .. line or line)
return 1

#!lua flags=no-writes,allow-oom
-- Reads a page of dead letters, the newest first.
--
-- KEYS[1]   dead letters, zset
-- KEYS[2]   their bodies
-- KEYS[3]   their meta
-- ARGV[1]   how many to pass over
-- ARGV[2]   how many to read
-- RETURNS   {server time in ms, then per letter: {member, body, meta} ...}
-- WHY       Order, body and reason of one moment: read one by one, a letter could vanish in between.

local now = redis.call('TIME')
local reply = {now[1] * 1000 + math.floor(now[2] / 1000)}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'REV')) do
  reply[#reply + 1] = {
    member, redis.call('HGET', KEYS[2], member) or '', redis.call('HGET', KEYS[3], member) or '{}',
  }
end
return reply

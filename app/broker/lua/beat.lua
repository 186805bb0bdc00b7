#!lua flags=allow-oom
-- Records a sign of life of one worker process.
--
-- KEYS[1]   workers           zset of worker ids by last beat
-- KEYS[2]   worker            hash of this one, written anew
-- ARGV[1]   worker id
-- ARGV[2]   how long one beat counts, ms
-- ARGV[3..] fields and values for the hash
-- RETURNS   server time, ms
-- WHY       The list answers "who is alive" without asking every worker; tidy.lua keeps it short.

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'seen_at', now_ms, unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return now_ms

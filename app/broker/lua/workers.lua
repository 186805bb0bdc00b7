#!lua flags=no-writes,allow-oom
-- Reads what worker processes last said of themselves, those seen last first.
--
-- KEYS[1]   workers           zset of worker ids by last beat
-- ARGV[1]   what the key of one worker's hash begins with
-- ARGV[2]   most workers to read
-- RETURNS   {server time in ms, then per worker: {id, last beat in ms, {field, value ...}} ...}
-- WHY       One moment for all, by the clock that their beats are told in. The hash of one that fell silent
--           has expired: its list of fields is empty.

local now = redis.call('TIME')
local reply = {now[1] * 1000 + math.floor(now[2] / 1000)}
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1, 'REV', 'WITHSCORES')
for i = 1, #found, 2 do
  reply[#reply + 1] = {found[i], found[i + 1], redis.call('HGETALL', ARGV[1] .. found[i])}
end
return reply

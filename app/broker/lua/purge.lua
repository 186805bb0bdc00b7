#!lua flags=allow-oom
-- Deletes dead letters.
--
-- KEYS[1]   dead letters, zset
-- KEYS[2]   their bodies
-- KEYS[3]   their meta
-- ARGV[1]   age in ms: older ones go, at most ARGV[2] of them; empty when members are named
-- ARGV[2]   most letters that one call deletes
-- ARGV[3..] members
-- RETURNS   how many were deleted
-- WHY       The three keys hold one thing; a letter must be gone from all or from none.

local members = {unpack(ARGV, 3)}
if ARGV[1] ~= '' then
  local now = redis.call('TIME')
  local before_ms = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]
  members = redis.call('ZRANGE', KEYS[1], '-inf', before_ms, 'BYSCORE', 'LIMIT', 0, ARGV[2])
end
local deleted = 0
for _, member in ipairs(members) do
  deleted = deleted + redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
  redis.call('HDEL', KEYS[3], member)
end
return deleted

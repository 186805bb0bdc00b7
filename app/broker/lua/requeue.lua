#!lua flags=allow-oom
-- Puts dead letters back into their queue.
--
-- KEYS[1]   dead letters, zset
-- KEYS[2]   their bodies
-- KEYS[3]   their meta
-- KEYS[4]   queues            set of queue names
-- KEYS[5..10] the queue, see _put.lua
-- ARGV[1]   queue
-- ARGV[2]   '1' when its streams are shared
-- ARGV[3..] per letter three: member, level, the body to send
-- RETURNS   how many were put back; a letter that is gone meanwhile is passed over
-- WHY       In two calls a crash between them would leave a letter in both places or in none.

local moved = 0
for i = 3, #ARGV, 3 do
  local member = ARGV[i]
  if redis.call('ZREM', KEYS[1], member) == 1 then
    redis.call('HDEL', KEYS[2], member)
    redis.call('HDEL', KEYS[3], member)
    add(KEYS[5 + ARGV[i + 1]], KEYS[10], ARGV[1], ARGV[2], ARGV[i + 2])
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call('SADD', KEYS[4], ARGV[1])
end
return moved

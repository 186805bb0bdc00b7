#!lua flags=allow-oom
-- Settles one entry together with everything that follows from it.
--
-- KEYS[1]   stream
-- KEYS[2]   dead letters, zset
-- KEYS[3]   their bodies
-- KEYS[4]   their meta
-- KEYS[5]   starts            hash of begun and unfinished runs
-- KEYS[6]   depth
-- KEYS[7]   queues            set of queue names
-- KEYS[8..] per queue six     see _put.lua
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   consumer
-- ARGV[3]   entry id
-- ARGV[4]   field of the entry in `starts`
-- ARGV[5]   member of the dead letter; empty when the entry is not buried
-- ARGV[6]   its body
-- ARGV[7]   its meta: a JSON object without the closing brace, at least one field
-- ARGV[8]   most dead letters that are kept
-- ARGV[9]   how long they are kept, ms
-- ARGV[10..] wake channel, shared, number of queues, their names, per message five: see _put.lua
-- RETURNS   1 when settled, 0 when the entry is not (any more) ours: nothing was written
-- WHY       A retry, the next step of a pipeline or a callback must exist exactly when its cause is gone.
--           In two calls a crash between them loses one or doubles the other. Sent twice, the second
--           one finds nothing pending and changes nothing.

if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
local first_message = 13 + ARGV[12]
local problem = put_problem(8, 10, first_message, nil)
if problem then
  return problem
end
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) ~= 1 then
  return 0
end
remove(KEYS[1], KEYS[6], ARGV[1], ARGV[11], {ARGV[3]})
redis.call('HDEL', KEYS[5], ARGV[4])
put_all(8, 10, first_message, KEYS[7])
if ARGV[5] ~= '' then
  local now_ms = server_ms()
  redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
  redis.call('HSET', KEYS[4], ARGV[5], ARGV[7] .. ',"died_at":' .. string.format('%d', now_ms) .. '}')
  redis.call('ZADD', KEYS[2], now_ms, ARGV[5])
  -- At most ten leave per arrival: bounded work, and still faster than they come.
  local over = math.min(10, redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[8]))
  local gone = redis.call('ZRANGE', KEYS[2], '-inf', '(' .. (now_ms - ARGV[9]), 'BYSCORE', 'LIMIT', 0, 10)
  if over > #gone then
    gone = redis.call('ZRANGE', KEYS[2], 0, over - 1)
  end
  for _, member in ipairs(gone) do
    redis.call('ZREM', KEYS[2], member)
    redis.call('HDEL', KEYS[3], member)
    redis.call('HDEL', KEYS[4], member)
  end
end
return 1

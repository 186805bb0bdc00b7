#!lua
-- Adds messages to their queues, once per sequence number of a producer.
--
-- KEYS[1]   producer          last sequence number accepted from this sender
-- KEYS[2]   queues            set of queue names
-- KEYS[3..] per message two   see _put.lua
-- ARGV[1]   sequence number, counted from 1, one per call of this producer
-- ARGV[2]   how long the producer is remembered, ms
-- ARGV[3]   wake channel
-- ARGV[4..] per message four  see _put.lua
-- RETURNS   1 when the messages were added, 0 when this call had been here before
-- WHY       A sender whose reply got lost sends again without knowing; the sequence number makes that
--           one message. A producer is used by one caller at a time, so numbers arrive in order. No
--           allow-oom: when memory is short, new work is what must be refused.

if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
local problem = put_problem(3, 4)
if problem then
  return problem
end
put_all(3, 4, KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

#!lua
-- Adds one message to one stream, once per sequence number of a producer.
--
-- KEYS[1]   producer          last sequence number accepted from this sender
-- KEYS[2]   stream
-- ARGV[1]   sequence number, as in enqueue.lua
-- ARGV[2]   how long the producer is remembered, ms
-- ARGV[3]   the message
-- RETURNS   1 when it was added, 0 when this call had been here before
-- WHY       Most calls send one message, and what they cost is what sending costs. The look at limits, the
--           list of queues and the producer's lifetime are enqueue's, which each sender calls at least once
--           per second and hundred messages; between, one counter tells a new call from a repeated one:
--           counted up it is the number of a new call, less after calls that were refused, more after this one.

local sequence = tonumber(ARGV[1])
local count = redis.call('INCR', KEYS[1])
if count > sequence then
  redis.call('DECR', KEYS[1])
  return 0
elseif count < sequence then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('XADD', KEYS[2], '*', 'm', ARGV[3])
return 1

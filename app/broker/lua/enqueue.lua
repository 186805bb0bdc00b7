#!lua
-- Adds messages to their queues, once per sequence number of a producer.
--
-- KEYS[1]   producer          last sequence number accepted from this sender
-- KEYS[2]   queues            set of queue names
-- KEYS[3..] per queue six     see _put.lua
-- ARGV[1]   how long the producer is remembered, ms
-- ARGV[2]   most messages that a queue may hold, delayed ones too
-- ARGV[3..] wake channel, shared, number of queues, their names: see _put.lua
-- ARGV[n]   behind the names: sequence number, counted from 1, one per call of this producer
-- ARGV[n+1..] per message five, see _put.lua
-- RETURNS   0 when this call had been here before; when the messages were added, how many more the fullest
--           of the queues may take, or 1 when it is full now
-- WHY       A sender whose reply got lost sends again without knowing; the sequence number makes that
--           one message. A producer is used by one caller at a time, so numbers arrive in order. No
--           allow-oom: when memory is short, new work is what must be refused.

local at = 6 + ARGV[5]
local sequence = ARGV[at]
local problem, room = put_problem(3, 3, at + 1, tonumber(ARGV[2]))
if problem then
  -- Maybe it was this very call that filled the queue, and only its answer got lost.
  return tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(sequence) and 0 or problem
end
local last = redis.call('SET', KEYS[1], sequence, 'PX', ARGV[1], 'GET')
if last and tonumber(last) >= tonumber(sequence) then
  if last ~= sequence then
    -- A copy of an old call that was under way for long: the number must not go back.
    redis.call('SET', KEYS[1], last, 'PX', ARGV[1])
  end
  return 0
end
put_all(3, 3, at + 1, KEYS[2])
return math.max(1, room)

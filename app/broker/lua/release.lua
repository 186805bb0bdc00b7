#!lua flags=allow-oom
-- Hands entries back, at their place in the queue, for the next sweep to take.
--
-- KEYS[1]   stream
-- KEYS[2]   sweep hash of the queue
-- KEYS[3]   sweep lock of the queue
-- KEYS[4]   starts            hash of begun and unfinished runs
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3]   level of the stream
-- ARGV[4]   wake channel
-- ARGV[5..] per entry two: id; '1' when this run of it was marked as begun
-- RETURNS   how many were handed back; what is not ours is left alone
-- WHY       Adding the message again would put it behind all others. Instead the entry is made to look
--           idle for ever, its delivery and its begun run are taken off the count, the sweep starts over
--           from the beginning, and all workers are called to it.

local released = 0
for i = 5, #ARGV, 2 do
  local deliveries = owns(KEYS[1], ARGV[1], ARGV[2], ARGV[i])
  if deliveries then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i],
      'TIME', 1, 'RETRYCOUNT', math.max(0, deliveries - 1), 'JUSTID')
    if ARGV[i + 1] == '1' then
      unmark(KEYS[4], ARGV[3] .. '|' .. ARGV[i])
    end
    released = released + 1
  end
end
if released > 0 then
  redis.call('HDEL', KEYS[2], ARGV[3])
  redis.call('DEL', KEYS[3])
  redis.pcall('SPUBLISH', ARGV[4], 'release:' .. ARGV[1])
end
return released

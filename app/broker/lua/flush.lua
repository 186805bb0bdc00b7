#!lua flags=allow-oom
-- Drops everything a queue holds: waiting, in flight, delayed and dead.
--
-- KEYS[1..3] streams
-- KEYS[4..] further keys of the queue, deleted too
-- ARGV[1]   group
-- RETURNS   how many keys were deleted
-- WHY       The groups are made anew in the same act, so that running consumers read on undisturbed.

local deleted = redis.call('UNLINK', unpack(KEYS))
for i = 1, 3 do
  redis.call('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM')
end
return deleted

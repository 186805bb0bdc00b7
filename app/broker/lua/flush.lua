#!lua flags=allow-oom
-- Drops everything a queue holds: waiting, in flight, delayed and dead.
--
-- KEYS[1..3] streams
-- KEYS[4]   depth
-- KEYS[5..] further keys of the queue, deleted too
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   '1' when the streams are shared by all queues
-- RETURNS   how many keys and entries were deleted
-- WHY       The groups are made anew in the same act, so that running consumers read on undisturbed. From
--           a shared stream only the queue's own entries go, a thousand at a time.

local group, shared = ARGV[1], ARGV[2]
local deleted = redis.call('UNLINK', unpack(KEYS, 5))

local function delete_own(stream)
  local from = '-'
  while from do
    local ids, page = {}, redis.call('XRANGE', stream, from, '+', 'COUNT', 1000)
    for _, entry in ipairs(page) do
      if not foreign(entry[2], group, shared) then
        ids[#ids + 1] = entry[1]
      end
    end
    if #ids > 0 then
      deleted = deleted + redis.call('XDEL', stream, unpack(ids))
    end
    from = #page == 1000 and '(' .. page[1000][1] or nil
  end
end

for i = 1, 3 do
  if shared == '1' then
    delete_own(KEYS[i])
    redis.pcall('XGROUP', 'DESTROY', KEYS[i], group)
    redis.call('XGROUP', 'CREATE', KEYS[i], group, '$', 'MKSTREAM')
  else
    deleted = deleted + redis.call('UNLINK', KEYS[i])
    redis.call('XGROUP', 'CREATE', KEYS[i], group, '0', 'MKSTREAM')
  end
end
redis.call('HDEL', KEYS[4], group)
return deleted

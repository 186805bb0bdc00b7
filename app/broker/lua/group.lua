#!lua flags=allow-oom
-- Makes sure that the consumer group of a queue exists on its three streams.
--
-- KEYS[1]   queues            set of queue names
-- KEYS[2..4] streams
-- ARGV[1]   group, which is the name of the queue
-- RETURNS   how many groups were created
-- WHY       Created at id 0: a group that starts at the end would never deliver what was sent before the
--           first worker came.

local created = 0
for i = 2, 4 do
  local reply = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM')
  if not reply.err then
    created = created + 1
  elseif not string.find(reply.err, 'BUSYGROUP', 1, true) then
    return reply
  end
end
redis.call('SADD', KEYS[1], ARGV[1])
return created

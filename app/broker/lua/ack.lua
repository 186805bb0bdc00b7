#!lua flags=allow-oom
-- Acknowledges and deletes entries of one stream.
--
-- KEYS[1]   stream
-- KEYS[2]   sweep hash of the queue
-- KEYS[3]   depth
-- ARGV[1]   group, which is the name of the queue
-- ARGV[2]   consumer
-- ARGV[3]   '1' when the stream is shared by all queues
-- ARGV[4]   the `stolen` counter as this worker last saw it
-- ARGV[5]   how many of the ids were fetched after that: these need no check while the counter stands still
-- ARGV[6..] entry ids, the trusted ones first; at most 500
-- RETURNS   {stolen counter, id of each entry that is no longer ours ...}
-- WHY       One call settles all that piled up while the last one was under way. Nothing can have been
--           taken from a worker while the counter of thefts did not move, so the usual case costs
--           one comparison instead of one look-up per entry. Deleting keeps the stream as long as the work.

local stolen = redis.call('HGET', KEYS[2], 'stolen') or '0'
local reply = {stolen}
local trusted = stolen == ARGV[4] and tonumber(ARGV[5]) or 0
local ids = {unpack(ARGV, 6, 5 + trusted)}
for i = 6 + trusted, #ARGV do
  if owns(KEYS[1], ARGV[1], ARGV[2], ARGV[i]) then
    ids[#ids + 1] = ARGV[i]
  else
    reply[#reply + 1] = ARGV[i]
  end
end
if #ids > 0 then
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
  remove(KEYS[1], KEYS[3], ARGV[1], ARGV[3], ids)
end
return reply

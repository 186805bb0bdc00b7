#!lua flags=allow-oom
-- Renews the leases of the entries a worker knows it holds.
--
-- KEYS[1]   stream
-- KEYS[2]   sweep hash of the queue
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3..] entry ids, at most 500
-- RETURNS   {stolen counter, id of each entry that is no longer ours ...}
-- WHY       Renewing all that is pending would also renew what the worker lost track of, for ever; and
--           XCLAIM without the check of the owner would steal back what was given to another.

local ids, reply = {}, {redis.call('HGET', KEYS[2], 'stolen') or '0'}
for i = 3, #ARGV do
  if owns(KEYS[1], ARGV[1], ARGV[2], ARGV[i]) then
    ids[#ids + 1] = ARGV[i]
  else
    reply[#reply + 1] = ARGV[i]
  end
end
if #ids > 0 then
  local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
  for _, id in ipairs(ids) do
    claim[#claim + 1] = id
  end
  claim[#claim + 1] = 'IDLE'
  claim[#claim + 1] = 0
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
end
return reply

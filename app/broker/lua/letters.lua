#!lua flags=no-writes,allow-oom
-- Lists the ids of dead letters of several queues, the newest first.
--
-- KEYS      dead letters, a zset per queue
-- ARGV[1]   most ids per queue
-- ARGV[2..] per queue three: which ones, a time of death in ms, a member
--           '' all | 'before' those that died before that time | 'until' those of that time as well
--           | 'behind' those before that time, and of those of that time the ones behind the member
-- RETURNS   per queue: {member, time of death ...}
-- WHY       A page goes on where the one before it ended, whatever died or was taken away meanwhile; a
--           count of letters to pass over would not. Among letters of one time the server orders by bytes,
--           and this must do the same whatever the server's locale says of strings.

local function below(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- How many of the newest come before the place.
local function passed(key, which, time, member)
  if which == '' then
    return 0
  end
  if which == 'before' then
    return redis.call('ZCOUNT', key, time, '+inf')
  end
  local count = redis.call('ZCOUNT', key, '(' .. time, '+inf')
  if which == 'behind' then
    for _, other in ipairs(redis.call('ZRANGE', key, time, time, 'BYSCORE')) do
      count = count + (below(other, member) and 0 or 1)
    end
  end
  return count
end

local reply = {}
for i, key in ipairs(KEYS) do
  local first = passed(key, ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1])
  reply[i] = redis.call('ZRANGE', key, first, first + ARGV[1] - 1, 'REV', 'WITHSCORES')
end
return reply

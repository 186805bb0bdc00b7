#!lua flags=allow-oom
-- Ends tasks whose deadline has passed, and cancellations whose grace is over.
-- KEYS  see _task.lua
-- ARGV  6 most tasks ended by one call
-- RETURNS {how many, ms until the next one is due; -1 when none is}
-- WHY   Whoever is alive calls it; two at once end nothing twice. Only the server's clock counts.

local deadlines, ended = TAG .. ':deadlines', 0
local due = redis.call('ZRANGE', deadlines, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, ARGV[6])
for _, task_id in ipairs(due) do
  local t = open(task_id)
  later('ZREM', deadlines, task_id)
  if t and not TERMINAL[t.status] then
    local cancelling = t.status == 'cancelling'
    drop_all(t, because(cancelling and 'cancelled' or 'deadline', nil))
    if cancelling then
      conclude(t)
    else
      finish(t, 'expired', '"reason":"deadline"')
    end
    ended = ended + 1
  end
end
local next_one = redis.call('ZRANGE', deadlines, #due, #due, 'WITHSCORES')
commit()
return {ended, next_one[2] and math.max(0, tonumber(next_one[2]) - NOW) or -1}

#!lua flags=no-writes,allow-oom
-- Looks through a list of tasks from the newest on: how many are in which state, and which are in those wanted.
-- KEYS  see _task.lua
-- ARGV  6 key of the list   7, 8 where to begin and to end, as ZRANGE BYLEX has it   9 most tasks looked at
--       10 states wanted, each between spaces   11 most tasks named
-- RETURNS {how many were looked at, the last of them or '', {state, how many, ...}, {id, ...}}
-- WHY   Open tasks have one list: a list for each of their states would cost every task three writes, and would be
--       wrong while two versions of the program work side by side. A task that is no longer kept has the state ''
--       and is always named, so that whoever reads the list can strike it off.

local counts, found, last = {}, {}, ''
local looked_at, most = 0, tonumber(ARGV[11])
for _, id in ipairs(redis.call('ZRANGE', ARGV[6], ARGV[7], ARGV[8], 'BYLEX', 'REV', 'LIMIT', 0, ARGV[9])) do
  local state = redis.call('HGET', TAG .. ':t:' .. id, 'status') or ''
  looked_at, last = looked_at + 1, id
  counts[state] = (counts[state] or 0) + 1
  if state == '' or string.find(ARGV[10], ' ' .. state .. ' ', 1, true) then
    found[#found + 1] = id
    if #found >= most then
      break
    end
  end
end
local pairs_of = {}
for state, n in pairs(counts) do
  pairs_of[#pairs_of + 1] = state
  pairs_of[#pairs_of + 1] = n
end
return {looked_at, last, pairs_of, found}

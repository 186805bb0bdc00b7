#!lua flags=allow-oom
-- Settles an attempt as done: result, event, dependents, and the task's end if it was the last step.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 token   5 result JSON   6 members of step.completed's data behind duration_ms
-- RETURNS {'ok'} | {'fenced', state of the step}
-- WHY   One act: a crash can fall before it (the step runs again) or after it (nothing is left to do), never
--       between the result and the dependents' dispatch.

local id = ARGV[3]
local step = load(id)
if step.token == ARGV[4] and step.state == 'completed' then
  return {'ok'}
end
if step.token ~= ARGV[4] or step.state ~= 'running' then
  return {'fenced', step.state or 'unknown'}
end
redis.call('SET', RESULTS .. id, ARGV[5])
redis.call('HSET', T, 'st:' .. id, 'completed')
emit('step.completed', attempt_scope(step),
  '{"duration_ms":' .. int(NOW - number('sa:' .. id)) .. ',' .. ARGV[6] .. '}')
local ready = {}
for _, child in ipairs(ids(get('ch:' .. id))) do
  if redis.call('HINCRBY', T, 'op:' .. child, -1) == 0 then
    ready[#ready + 1] = child
  end
end
dispatch(ready)
if redis.call('HINCRBY', T, 'left', -1) == 0 then
  finish('completed', '{"partial":false,' .. ending() .. '}')
end
return {'ok'}

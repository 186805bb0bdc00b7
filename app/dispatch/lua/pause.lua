#!lua flags=allow-oom
-- Holds back what has not started.
-- KEYS  see _task.lua
-- ARGV  6 by, a JSON string   7 reason, JSON
-- RETURNS {'ok'} | {'terminal', status} | {'unknown'}
-- WHY   Entries stay where they are in their queues and keep their place; only a step whose turn comes during
--       the pause is taken aside, by start.lua, and goes first afterwards.

local t = open(TASK)
if not t then
  return {'unknown'}
end
if TERMINAL[t.status] or t.status == 'cancelling' then
  return {'terminal', t.status}
end
if t.status ~= 'paused' then
  set(t, 'status', 'paused')
  emit(t, 'task.paused', '{"by":' .. ARGV[6] .. ',"reason":' .. ARGV[7] .. '}')
  commit()
end
return {'ok'}

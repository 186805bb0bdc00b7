#!lua flags=allow-oom
-- Hands a running step back: its entry will be delivered again, no failure is counted.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 token   5 reason, a JSON string
-- RETURNS {'ok'} | {'fenced', state of the step}
-- WHY   A worker that stops must not cost the step an attempt; the dispatch number stays, because the entry
--       in the stream is the one that will be delivered.

local id = ARGV[3]
local step = load(id)
if step.token == ARGV[4] and step.state == 'queued' then
  return {'ok'}
end
if step.token ~= ARGV[4] or step.state ~= 'running' then
  return {'fenced', step.state or 'unknown'}
end
redis.call('HSET', T, 'st:' .. id, 'queued', 'qa:' .. id, int(NOW))
emit('step.released', attempt_scope(step), '{"reason":' .. ARGV[5] .. '}')
return {'ok'}

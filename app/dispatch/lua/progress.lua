#!lua flags=allow-oom
-- Appends what a running attempt reports about itself.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 token   5 number of this report within the attempt, from 1   6 most events of a task
--       7... pairs of event type and data
-- RETURNS {'ok'} | {'fenced'}: the attempt is not the current one
-- WHY   The report number makes a blind re-send harmless. Past the limit these events are dropped, with one
--       events.truncated to say so; transitions never are.

local id = ARGV[3]
local step = load(id)
if step.token ~= ARGV[4] or step.state ~= 'running' then
  return {'fenced'}
end
if tonumber(ARGV[5]) <= number('ps:' .. id) then
  return {'ok'}
end
redis.call('HSET', T, 'ps:' .. id, ARGV[5], 'la:' .. id, int(NOW))
local scope, limit = attempt_scope(step), tonumber(ARGV[6])
for i = 7, #ARGV, 2 do
  if number('seq') < limit then
    emit(ARGV[i], scope, ARGV[i + 1], ARGV[i] == 'output.delta')
  elseif redis.call('HSETNX', T, 'truncated', 1) == 1 then
    emit('events.truncated', '', '{"dropped":["step.progress","source.found","output.delta","citations.verified",'
      .. '"artifact.completed"],"limit":' .. int(limit) .. '}')
  end
end
return {'ok'}

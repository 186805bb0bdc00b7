#!lua flags=allow-oom
-- Keeps what a side effect of a step returned, once.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 name   9 value JSON
--       10 most fields of the task's hash
-- RETURNS {'ok', the value that is kept} | {'fenced', state of the step} | {'full'}
-- WHY   Only the current attempt may remember: a zombie's late value must not become the truth.

local t = open(TASK, ARGV[6])
local s = t and t.step[ARGV[6]]
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end
local key, field = t.key, 'm:' .. ARGV[6] .. ':' .. ARGV[8]
if redis.call('HLEN', key) >= tonumber(ARGV[10]) and redis.call('HEXISTS', key, field) == 0 then
  return {'full'}
end
redis.call('HSETNX', key, field, ARGV[9])
return {'ok', redis.call('HGET', key, field)}

#!lua flags=allow-oom
-- Puts an attempt off because a provider asked for patience; nobody asks that provider until then.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 delay ms   9 provider   10 most deferrals of a step   11 provider, a JSON string
-- RETURNS {'ok'} | {'exhausted'}: too often already, nothing is written | {'fenced', state of the step}
-- WHY   A full provider is nobody's failure and burns no attempt. Its pause is one key that start.lua looks
--       at, so all workers keep it from the same moment on; they come back spread out.

local t = open(TASK, ARGV[6])
local s = t and t.step[ARGV[6]]
if s and s.state == 'deferred' and token(s) == ARGV[7] then
  return {'ok'}
end
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end
if tonumber(s.deferrals) >= tonumber(ARGV[10]) or t.status == 'cancelling' then
  return {'exhausted'}
end
local pause, delay_ms = TAG .. ':provider:' .. ARGV[9], tonumber(ARGV[8])
if redis.call('PTTL', pause) < delay_ms then
  later('SET', pause, 1, 'PX', delay_ms)
end
local spread_ms = delay_ms + spread(delay_ms)
s.deferrals, s.state = s.deferrals + 1, 'deferred'
schedule(t, s, NOW + spread_ms)
emit_attempt(t, 'step.deferred', s,
  '{"delay_ms":' .. spread_ms .. ',"reason":"rate_limited","provider":' .. ARGV[11] .. '}')
leave(t, s)
commit()
return {'ok'}

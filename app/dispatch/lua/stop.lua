#!lua flags=allow-oom
-- Settles an attempt that its worker interrupted because its task is being cancelled.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token
-- RETURNS {'ok'} | {'fenced', state of the step}
-- WHY   A graceful cancellation ends when the last running attempt has really stopped, so that the event
--       can say how long that took.

local t = open(TASK, ARGV[6])
local s = t and t.step[ARGV[6]]
if s and s.state == 'cancelled' and token(s) == ARGV[7] then
  return {'ok'}
end
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] or t.status ~= 'cancelling' then
  return fenced(s)
end
settle(t, s, 'cancelled')
emit_attempt(t, 'step.cancelled', s, because('cancelled', nil))
conclude(t)
commit()
return {'ok'}

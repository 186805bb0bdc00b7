#!lua flags=allow-oom
-- Hands a running step back: its entry will be delivered again, no failure is counted.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 reason, a JSON string
-- RETURNS {'ok'} | {'fenced', state of the step}
-- WHY   A worker that stops must not cost the step an attempt; the dispatch number stays, because the entry
--       in the stream is the one that will be delivered. A step without an entry of its own gets one, at the front:
--       its turn had come.

local t = open(TASK, ARGV[6])
local s = t and t.step[ARGV[6]]
if s and (s.state == 'queued' or s.state == 'cancelled') and token(s) == ARGV[7] then
  return {'ok'}
end
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end
if t.status == 'cancelling' then
  settle(t, s, 'cancelled')
  emit_attempt(t, 'step.cancelled', s, '{"reason":' .. ARGV[8] .. ',"caused_by":null}')
  conclude(t)
else
  emit_attempt(t, 'step.released', s, '{"reason":' .. ARGV[8] .. '}')
  if s.entry ~= '' then
    send(t, {s}, '0')
  else
    s.state, s.queued = 'queued', NOW
    touch(t, s)
  end
end
commit()
return {'ok'}

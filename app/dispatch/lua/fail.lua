#!lua flags=allow-oom
-- Settles an attempt as failed: another attempt after a delay, or the end of the step.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 error JSON   9 '1' if trying again may help   10 delay ms   11 most attempts
--       12 reason, a JSON string
-- RETURNS {'ok', 'retrying' | 'failed'} | {'fenced', state of the step}
-- WHY   The retry is an ordinary delayed message of the broker, written here so that no crash can come
--       between the failure's record and the next attempt.

local t, extra = open(TASK, ARGV[6], 'retries')
local s = t and t.step[ARGV[6]]
if s and token(s) == ARGV[7] and (s.state == 'retrying' or s.state == 'failed') then
  return {'ok', s.state}
end
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end
s.failures = s.failures + 1
touch(t, s)
remember(t, s, ARGV[8])
local left = math.max(0, ARGV[11] - s.failures)
local again = ARGV[9] == '1' and left > 0 and t.status ~= 'cancelling'
if again then
  s.state = 'retrying'
  schedule(t, s, NOW + ARGV[10])
  set(t, 'retries', (extra[1] or 0) + 1)
  emit_attempt(t, 'step.retry_scheduled', s, '{"next_attempt":' .. (s.attempt + 1) .. ',"delay_ms":' .. ARGV[10]
    .. ',"reason":' .. ARGV[12] .. ',"error":' .. ARGV[8] .. '}')
  leave(t, s)
else
  give_up(t, s, ARGV[8], ARGV[9] == '1' and 'true' or 'false', left)
end
commit()
return {'ok', s.state}

#!lua flags=allow-oom
-- Appends what a running attempt reports about itself.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 number of this report within the attempt, from 1   9 most events of a task
--       10 calls to language models that these reports tell of   11, 12 tokens they read and wrote
--       13 their cost in billionths of a dollar   14... pairs of event type and data
-- RETURNS {'ok'} | {'fenced', state of the step}: the attempt is not the current one
-- WHY   The report number makes a blind re-send harmless. Past the limit these events are dropped, with one
--       events.truncated to say so; transitions never are, nor is what a model took: the totals hold it.

local t, extra = open(TASK, ARGV[6], 'truncated')
local s = t and t.step[ARGV[6]]
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end
if tonumber(ARGV[8]) <= tonumber(s.reports) then
  return {'ok'}
end
s.reports, s.seen = ARGV[8], NOW
touch(t, s)
local limit, truncated = tonumber(ARGV[9]), extra[1]
count_usage(t, ARGV[10], ARGV[11], ARGV[12], ARGV[13])
for i = 14, #ARGV, 2 do
  if tonumber(t.seq) < limit or ARGV[i] == 'llm.usage' then
    emit_attempt(t, ARGV[i], s, ARGV[i + 1], ARGV[i] == 'output.delta')
  elseif not truncated then
    truncated = true
    set(t, 'truncated', 1)
    emit(t, 'events.truncated', '{"dropped":["step.progress","source.found","output.delta","citations.verified",'
      .. '"artifact.completed"],"limit":' .. limit .. '}')
  end
end
commit()
return {'ok'}

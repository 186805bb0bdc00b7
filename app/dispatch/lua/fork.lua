#!lua
-- Accepts a task that takes over results of another one.
-- KEYS  see _task.lua
-- ARGV  see _accept.lua
-- RETURNS as submit.lua; {'open', status} when the source has not ended, {'unknown'} when there is none;
--         {'gone'} also when a result or the documents of the source are no longer kept
-- WHY   The results are copied in the act that accepts the task: the source may expire at any moment. No
--       allow-oom: this is new work.

if redis.call('EXISTS', TAG .. ':t:' .. TASK) == 1 then
  return {'ok'}
end
local status = redis.call('HGET', TAG .. ':t:' .. ARGV[20], 'status')
if not status then
  return {'unknown'}
end
if not TERMINAL[status] then
  return {'open', status}
end
return accept()

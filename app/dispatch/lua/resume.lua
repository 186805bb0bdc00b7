#!lua flags=allow-oom
-- Goes on after a pause.
-- KEYS  see _task.lua
-- ARGV  6 by, a JSON string   7 reason, JSON
-- RETURNS {'ok'} | {'terminal', status} | {'unknown'}
-- WHY   The turn of a held step had come, so it goes to the front: into the high stream of its queue.

local t, extra = open(TASK, nil, 'started')
if not t then
  return {'unknown'}
end
if TERMINAL[t.status] or t.status == 'cancelling' then
  return {'terminal', t.status}
end
if t.status == 'paused' then
  set(t, 'status', extra[1] and 'running' or 'queued')
  emit(t, 'task.resumed', '{"by":' .. ARGV[6] .. ',"reason":' .. ARGV[7] .. '}')
  local held = {}
  for _, s in ipairs(load_all(t)) do
    if s.state == 'held' then
      held[#held + 1] = s
    end
  end
  dispatch(t, held, '0')
  commit()
end
return {'ok'}

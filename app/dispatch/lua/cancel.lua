#!lua flags=allow-oom
-- Ends a task early.
-- KEYS  see _task.lua
-- ARGV  6 mode: graceful, force or finish   7 by, a JSON string   8 reason, JSON   9 grace ms
-- RETURNS {'ok'} | {'terminal', status} | {'unknown'}
-- WHY   graceful: nothing starts any more, running attempts are told to stop and the task ends with the last
--       of them, or when the grace is over. force: it ends now and they are fenced. finish: gathering ends
--       now, and what works with the gathered goes on with what there is.

local t, extra = open(TASK, nil, 'cancel_mode', 'started')
if not t then
  return {'unknown'}
end
if TERMINAL[t.status] then
  return {'terminal', t.status}
end
local mode, before = ARGV[6], extra[1]
if before == mode or before == 'force' or (before == 'graceful' and mode == 'finish') then
  return {'ok'}
end
emit(t, 'task.cancel_requested', '{"by":' .. ARGV[7] .. ',"mode":"' .. mode .. '","reason":' .. ARGV[8] .. '}')
set(t, 'cancel_mode', mode)
set(t, 'cancel_reason', ARGV[8])
-- How long it took to stop counts from the first word to stop.
if before ~= 'graceful' then
  set(t, 'cancel_at', NOW)
end

local function finish_early()
  local dropped, held = {}, {}
  drop_all(t, because('finish', nil), function(s)
    local stays = s.gathers ~= '1'
    if not stays then
      dropped[#dropped + 1] = s
    elseif s.state == 'held' then
      held[#held + 1] = s
    end
    return stays
  end)
  if #dropped > 0 then
    set(t, 'partial', 1)
  end
  if t.status == 'paused' then
    set(t, 'status', extra[2] and 'running' or 'queued')
    emit(t, 'task.resumed', '{"by":' .. ARGV[7] .. ',"reason":' .. ARGV[8] .. '}')
    dispatch(t, held, '0')
  end
  local ready = {}
  for _, s in ipairs(dropped) do
    for _, child in ipairs(resolve(t, s)) do
      ready[#ready + 1] = child
    end
  end
  dispatch(t, ready)
end

local function stop()
  set(t, 'status', 'cancelling')
  local graceful = mode == 'graceful'
  drop_all(t, because('cancelled', nil), function(s)
    local waits = graceful and s.state == 'running'
    if waits then
      call_off(t, s)
    end
    return waits
  end)
  local deadline = redis.call('ZSCORE', TAG .. ':deadlines', TASK)
  if tonumber(t.left) > 0 and not (deadline and tonumber(deadline) < NOW + ARGV[9]) then
    later('ZADD', TAG .. ':deadlines', NOW + ARGV[9], TASK)
  end
end

if mode == 'finish' then
  finish_early()
else
  stop()
end
conclude(t)
commit()
return {'ok'}

#!lua
-- Runs what failed again, in place; what was done before it is kept.
-- KEYS  see _task.lua
-- ARGV  6 step to begin from, '' for all that did not succeed   7 by, a JSON string   8 nonce of the request
--       9 most retries of a task   10 dispatch number of the step to begin from: it must be what that came to, a
--       failure; '' when that does not matter
-- RETURNS {'ok'} | {'open', status}: it has not ended, or it succeeded | {'unknown'} | {'no-step'}
--         | {'again'}: the step has been sent again since that dispatch
--         | {'spent'}: too often already | {'gone'}: its documents are no longer kept
--         | {'done'}: every step is completed and none is named
-- WHY   A step runs again with everything that depends on it, and nothing else does. The nonce makes a blind
--       re-send harmless. No allow-oom: this is new work.

local from = ARGV[6]
local t, extra = open(TASK, nil, 'again', 'agains', 'docs', 'keep', 'index', 'started', 'deadline',
  'finished', 'rested')
if not t then
  return {'unknown'}
end
if extra[1] == ARGV[8] then
  return {'ok'}
end
if not TERMINAL[t.status] or t.status == 'completed' then
  return {'open', t.status}
end
if tonumber(extra[2] or 0) >= tonumber(ARGV[9]) then
  return {'spent'}
end
if extra[3] and redis.call('EXISTS', extra[3], extra[3] .. ':tasks') ~= 2 then
  return {'gone'}
end
local steps = load_all(t)
if from ~= '' and not t.step[from] then
  return {'no-step'}
end
if ARGV[10] ~= '' and (t.step[from].state ~= 'failed' or t.step[from].dispatch ~= ARGV[10]) then
  return {'again'}
end

local again, front = {}, {}
for _, s in ipairs(steps) do
  if s.state ~= 'completed' or s.id == from then
    front[#front + 1] = s
  end
end
if #front == 0 then
  return {'done'}
end
while #front > 0 do
  local s = table.remove(front)
  if not again[s.id] then
    again[s.id] = true
    for _, child in ipairs(load(t, ids(s.children))) do
      front[#front + 1] = child
    end
  end
end

-- Results and memos of steps that had succeeded are void; what a failed one remembers of its effects holds.
local function forget_results(void)
  for _, field in ipairs(redis.call('HKEYS', t.key)) do
    if void[string.match(field, '^[rm]:(%d+)') or ''] then
      later('HDEL', t.key, field)
    end
  end
end

local void, ready, names, left, sinks = {}, {}, {}, 0, 0
for _, s in ipairs(steps) do
  if again[s.id] then
    void[s.id] = s.state == 'completed'
    if s.state == 'failed' then
      exhume(t, s)
    end
    s.state, s.failures, s.crashes, s.deferrals, s.delivery = 'waiting', 0, 0, 0, 0
    s.run, s.open = s.run + 1, 0
    for _, parent in ipairs(ids(s.deps)) do
      s.open = s.open + (again[parent] and 1 or 0)
    end
    touch(t, s)
    left, names[#names + 1] = left + 1, s.id
    if s.open == 0 then
      ready[#ready + 1] = s
    end
  elseif s.children == '' then
    sinks = sinks + 1
  end
end

forget_results(void)
local was = t.status
for name, value in pairs({left = left, sinks = sinks, status = extra[6] and 'running' or 'queued', again = ARGV[8],
    agains = (extra[2] or 0) + 1, rested = (extra[9] or 0) + NOW - extra[8]}) do
  set(t, name, value)
end
emit(t, 'task.retried', '{"by":' .. ARGV[7] .. ',"from_step":' .. (from == '' and 'null' or from) .. ',"steps":['
  .. table.concat(names, ',') .. ']}')
dispatch(t, ready)
later('HDEL', t.key, 'finished', 'error', 'failed_step', 'partial', 'cancel_mode', 'cancel_reason', 'cancel_at')
if extra[7] and tonumber(extra[7]) > NOW then
  later('ZADD', TAG .. ':deadlines', extra[7], TASK)
elseif extra[7] then
  later('HDEL', t.key, 'deadline')
end
later('ZADD', TAG .. ':open', NOW, TASK)
later('ZREM', TAG .. ':expiry', TASK)
reindex(t, extra[5], was, 'open')
for _, key in ipairs({t.key, t.log}) do
  later('PERSIST', key)
end
if extra[3] then
  later('INCR', extra[3] .. ':tasks')
  later('PERSIST', extra[3])
  later('PERSIST', extra[3] .. ':tasks')
end
commit()
return {'ok'}

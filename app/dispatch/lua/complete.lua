#!lua flags=allow-oom
-- Settles an attempt as done: result, event, dependents, and the task's end if it was the last step.
-- KEYS  see _task.lua
-- ARGV  6 step   7 token   8 result JSON   9 members of step.completed's data behind duration_ms
--       10 nonce of the attempt with which the worker may go on   11 queues it reads, with a space around each;
--       both '' when it has no time
--       12 next free step id as the worker knows it   13 data of plan.extended; both '' without new steps
--       14... per new step four: id, fields `p:`, `s:` and `in:` of the hash; see record.py
-- RETURNS {'ok'} | {'run', ...}: the worker goes on with this step; see start.lua
--         | {'fenced', state of the step} | {'renumber', next free step id}: the ids are taken meanwhile
-- WHY   One act: a crash can fall before it (the step runs again) or after it (nothing is left to do), never
--       between the result and the dependents' dispatch. Steps that an output adds come between the step and
--       what waits for it: the dependents wait for them too.

local id = ARGV[6]
local t = open(TASK, id)
local s = t and t.step[id]
if s and s.state == 'completed' and token(s) == ARGV[7] then
  for _, child in ipairs(ARGV[10] ~= '' and load(t, ids(s.children)) or {}) do
    if child.state == 'running' and child.nonce == ARGV[10] then
      return run(t, child)
    end
  end
  return {'ok'}
end
if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then
  return fenced(s)
end

local function set_place(step)
  set(t, 'p:' .. step.id, table.concat({step.agent, step.queue, step.batch_max, step.timeout, step.on_failure,
    step.gathers, step.provider, step.deps, step.children}, '|') .. step.later_place)
end

-- New steps without dependents of their own are what the step's dependents wait for.
local function extend(extra)
  local added, roots, sinks = {}, {}, {}
  for i = 14, #ARGV, 4 do
    local new = decode(t, ARGV[i], ARGV[i + 2], ARGV[i + 1])
    set(t, 'p:' .. new.id, ARGV[i + 1])
    set(t, 'in:' .. new.id, ARGV[i + 3])
    touch(t, new)
    added[#added + 1] = new.id
    if new.deps == id then
      roots[#roots + 1] = new.id
    end
    if new.children == s.children then
      sinks[#sinks + 1] = new.id
    end
  end
  for _, child in ipairs(load(t, ids(s.children))) do
    child.open = child.open + #sinks
    child.deps = child.deps .. ',' .. table.concat(sinks, ',')
    touch(t, child)
    set_place(child)
  end
  s.children = s.children .. (s.children == '' and '' or ',') .. table.concat(roots, ',')
  set_place(s)
  set(t, 'next', extra[1] + #added)
  set(t, 'steps', extra[2] + #added)
  set(t, 'left', t.left + #added)
  set(t, 'ids', extra[3] .. ' ' .. table.concat(added, ' '))
  set(t, 'rev', (extra[5] or 1) + 1)
  set(t, 'grown', (extra[6] or ' ') .. id .. ':' .. added[1] .. '-' .. added[#added] .. ' ')
end

-- A task that is being ended takes no further steps; what a step has added before runs again when it does.
local extends = false
if ARGV[12] ~= '' then
  local extra = redis.call('HMGET', t.key, 'next', 'steps', 'ids', 'cancel_at', 'rev', 'grown')
  extends = not extra[4] and not string.find(extra[6] or '', ' ' .. id .. ':', 1, true)
  if extends and ARGV[12] ~= extra[1] then
    return {'renumber', tonumber(extra[1])}
  end
  if extends then
    extend(extra)
  end
end
set(t, 'r:' .. id, ARGV[8])
settle(t, s, 'completed')
if s.children == '' then
  set(t, 'sinks', t.sinks + 1)
end
emit_attempt(t, 'step.completed', s, '{"duration_ms":' .. (NOW - s.started) .. ',' .. ARGV[9] .. '}')
if extends then
  emit(t, 'plan.extended', '{"rev":' .. t.rev .. ',' .. ARGV[13] .. '}')
end
local ready = resolve(t, s)
local next = #ready == 1 and ARGV[10] ~= '' and not extends and may_go_on(t, s, ready[1], ARGV[11]) and ready[1]
if next then
  go_on(t, s, next, ARGV[10])
else
  dispatch(t, ready)
end
conclude(t)
commit()
return next and run(t, next) or {'ok'}

-- Library: from ready steps to messages in queues. Needs _task.lua before it.
-- KEYS     none of its own
-- ARGV     none of its own
-- RETURNS  dispatch(t, steps, level): nothing; schedule(t, s, due_ms): nothing; leave(t, s): nothing;
--          fill(gate): nothing
-- WHY      Steps of one agent that became ready in one transition share a message (manual batching); a
--          message that must wait lies alone in the delay queue, so that it can be taken out again.
--          A task with a concurrency limit passes a gate: at most `limit` steps of its group are under
--          way at once, the others stand in line and are let in as the ones before them settle.
--          Formats of streams, delays and messages are those of app/broker/keys.py.

local SUFFIX = {['0'] = ':hi', ['1'] = '', ['2'] = ':lo'}
-- Added to the longest timeout of a batch: starting, storing and a slow Redis need time as well.
local RUN_MARGIN_MS = 60000
-- Spreads what waited for the same moment.
local SPREAD_MS_MAX = 1000

local function message(t, steps)
  local spec, longest = {}, 0
  for i, s in ipairs(steps) do
    spec[i] = s.id .. ':' .. s.dispatch
    longest = math.max(longest, tonumber(s.timeout))
  end
  local batch_id = t.id .. ':' .. spec[1]
  local trace = t.trace and ',"traceparent":"' .. t.trace .. '"' or ''
  return string.format(FORMAT, steps[1].queue, steps[1].agent, t.id, table.concat(spec, ' '), longest + RUN_MARGIN_MS,
    trace, batch_id, NOW_TEXT), batch_id
end

local function stream_of(queue, level)
  return TAG .. ':q:' .. (SHARED ~= '' and SHARED or queue) .. SUFFIX[level]
end

local function enqueue(queue, level, body)
  local stream = stream_of(queue, level)
  -- Raises an error for a key that is no stream, before anything is written.
  redis.call('XLEN', stream)
  if SHARED == '' then
    later('XADD', stream, '*', 'm', body)
    return
  end
  later('XADD', stream, '*', 'q', queue, 'm', body)
  later('HINCRBY', TAG .. ':depth', queue, 1)
end

local function queued(t, s, batch_id, more)
  emit_step(t, 'step.queued', s, '{"queue":"' .. s.queue .. '","batch_id":"' .. batch_id
    .. '","deps":[' .. s.deps .. ']' .. more .. '}')
end

-- Sends ready steps of one agent as one message.
local function send(t, steps, level)
  local step_ids = {}
  for i, s in ipairs(steps) do
    s.dispatch, s.state, s.queued, s.delivery, s.entry = s.dispatch + 1, 'queued', NOW_TEXT, 0, ''
    touch(t, s)
    step_ids[i] = s.id
  end
  local body, batch_id = message(t, steps)
  for _, s in ipairs(steps) do
    queued(t, s, batch_id, '')
  end
  if #steps > 1 then
    emit(t, 'batch.dispatched', '{"batch_id":"' .. batch_id .. '","agent":"' .. steps[1].agent .. '","size":'
      .. #steps .. ',"step_ids":[' .. table.concat(step_ids, ',') .. ']}')
  end
  enqueue(steps[1].queue, level or t.level, body)
end

local function due_member(t, s)
  return t.level .. '|' .. t.id .. ':' .. s.id .. ':' .. s.dispatch .. '|' .. s.dispatch
end

-- Puts a step's next dispatch into the delay queue; the caller has set its state.
local function schedule(t, s, due_ms)
  s.dispatch, s.queued, s.delivery, s.entry = s.dispatch + 1, due_ms, 0, ''
  touch(t, s)
  local body, batch_id = message(t, {s})
  local due, member = TAG .. ':due:' .. s.queue, due_member(t, s)
  redis.call('HLEN', due .. ':m')
  later('HSET', due .. ':m', member, body)
  later('ZADD', due, due_ms, member)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if not first[2] or tonumber(first[2]) > due_ms then
    later('SPUBLISH', TAG .. ':wake', s.queue)
  end
  return batch_id
end

-- Takes a scheduled dispatch out of the delay queue, if it is still there.
local function unschedule(t, s)
  local due, member = TAG .. ':due:' .. s.queue, due_member(t, s)
  redis.call('ZCARD', due)
  redis.call('HLEN', due .. ':m')
  later('ZREM', due, member)
  later('HDEL', due .. ':m', member)
end

local function spread(delay_ms)
  return math.floor(tonumber(RAND) / 65536 * math.min(SPREAD_MS_MAX, delay_ms / 4))
end

-- The gate of a task's group, as this script sees it: `busy` counts its own changes too.
local function gate_of(t)
  local group, limit = string.match(t.gate, '^(%x+)|(%d+)$')
  local gate = memory[group]
  if not gate then
    local busy, line = TAG .. ':busy:' .. group, TAG .. ':line:' .. group
    gate = {busy_key = busy, line_key = line, busy = redis.call('SCARD', busy), waiting = redis.call('ZCARD', line), seen = 0,
      inside = {}}
    memory[group] = gate
  end
  return gate, tonumber(limit)
end

-- Whether the step has a place; a delayed one takes it when its time has come.
local function inside(t, s)
  local gate, member = gate_of(t), t.id .. ':' .. s.id
  if gate.inside[member] == nil then
    gate.inside[member] = redis.call('SISMEMBER', gate.busy_key, member) == 1
  end
  return gate.inside[member]
end

local function enter(t, s, gate)
  gate.busy, gate.inside[t.id .. ':' .. s.id] = gate.busy + 1, true
  later('SADD', gate.busy_key, t.id .. ':' .. s.id)
end

local function hold(t, s, state, reason)
  s.state = state
  touch(t, s)
  emit_step(t, 'step.held', s, '{"reason":"' .. reason .. '"}')
end

-- Whether the step may be sent or started now; else it stands in line, higher priority first, then first come.
local function admitted(t, s)
  if not t.gate or inside(t, s) then
    return true
  end
  local gate, limit = gate_of(t)
  if gate.waiting == 0 and gate.busy < limit then
    enter(t, s, gate)
    return true
  end
  gate.waiting = gate.waiting + 1
  later('ZADD', gate.line_key, t.level * 1e13 + NOW, t.id .. ':' .. s.id)
  hold(t, s, 'limited', 'concurrency')
  return false
end

local function let_in(gate, member)
  local task_id, step_id = string.match(member, '^(.+):(%d+)$')
  local t = open(task_id)
  local s = t and load(t, {step_id})[1]
  local stale = not s or s.state ~= 'limited'
  if not stale then
    local _, limit = gate_of(t)
    if gate.busy >= limit then
      return false
    end
    enter(t, s, gate)
    send(t, {s})
  end
  gate.seen, gate.waiting = gate.seen + 1, gate.waiting - 1
  later('ZREM', gate.line_key, member)
  return true
end

-- The first in line come in, as far as there is room for them.
local function fill(gate)
  local room = true
  while room and gate.waiting > 0 do
    local member = redis.call('ZRANGE', gate.line_key, gate.seen, gate.seen)[1]
    room = member and let_in(gate, member)
  end
end

-- The step is no longer under way: the next in line of its group comes in.
local function leave(t, s)
  if not t.gate or not inside(t, s) then
    return
  end
  local gate = gate_of(t)
  gate.busy, gate.inside[t.id .. ':' .. s.id] = gate.busy - 1, false
  later('SREM', gate.busy_key, t.id .. ':' .. s.id)
  fill(gate)
end

-- Manual batching: steps of one agent that became ready in this transition share messages.
local function dispatch(t, ready, level)
  local order, groups = {}, {}
  for _, s in ipairs(ready) do
    if admitted(t, s) then
      local group = groups[s.agent]
      if not group or #group >= tonumber(s.batch_max) then
        group = {}
        groups[s.agent] = group
        order[#order + 1] = group
      end
      group[#group + 1] = s
    end
  end
  for _, group in ipairs(order) do
    send(t, group, level)
  end
end

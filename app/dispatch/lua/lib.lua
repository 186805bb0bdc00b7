-- Shared by every transition. The script that includes this declares
--   KEYS[1] task hash   [2] event stream and channel   [3] firehose   [4] open tasks   [5] prefix of result keys
--   ARGV[1] task id     [2] rand16 for the ids of the events written here
-- Other keys (queue streams, due and dead letters) are read from the task hash; every key carries the
-- same hash tag, so all of them lie in the slot of KEYS[1].
-- Times are the server's. `data` members come encoded from Python; only numbers and safe names are joined here.

local T, EV, FIRE, OPEN, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local TASK, RAND = ARGV[1], ARGV[2]
local FIRE_MAXLEN = 10000
local DEAD_MAX = 10000

local function int(number)
  return string.format('%.0f', number)
end

local clock = redis.call('TIME')
local NOW = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function get(field)
  return redis.call('HGET', T, field)
end

local function number(field)
  return tonumber(get(field) or 0)
end

local function split(text, separator)
  local parts = {}
  for part in string.gmatch(text .. separator, '(.-)' .. separator) do
    parts[#parts + 1] = part
  end
  return parts
end

local function ids(text)
  local list = {}
  for id in string.gmatch(text or '', '%d+') do
    list[#list + 1] = id
  end
  return list
end

local function terminal(status)
  return status ~= 'queued' and status ~= 'running'
end

-- What the agent's line of the task hash holds, in the order Python wrote it.
local agents = {}
local function agent_of(id)
  local name = get('ag:' .. id)
  if not agents[name] then
    local p = split(get('agent:' .. name), '\n')
    agents[name] = {
      name = name, queue = p[1], batch_max = tonumber(p[2]), stream = p[3], due = p[4], due_bodies = p[5],
      level = p[6], dlq = p[7], dlq_bodies = p[8], dlq_meta = p[9], wake = p[10],
      parts = {p[11], p[12], p[13], p[14]},
    }
  end
  return agents[name]
end

-- `quiet` keeps an event out of the firehose.
local trace = nil
local function emit(kind, scope, data, quiet)
  if not trace then
    trace = get('trace')
    trace = trace and (',"trace":"' .. trace .. '"') or ''
  end
  local seq = redis.call('HINCRBY', T, 'seq', 1)
  local id = int(seq) .. '-' .. RAND
  local body = '{"v":1,"seq":' .. int(seq) .. ',"type":"' .. kind .. '","ts":' .. int(NOW)
    .. ',"task_id":"' .. TASK .. '"' .. scope
    .. trace .. ',"data":' .. data .. '}'
  redis.call('XADD', EV, id, 'e', body)
  redis.call('SPUBLISH', EV, id .. ' ' .. body)
  if not quiet then
    redis.call('XADD', FIRE, 'MAXLEN', '~', FIRE_MAXLEN, '*', 'e', body)
  end
end

local function step_scope(id)
  return ',"step_id":' .. id .. ',"agent":"' .. get('ag:' .. id) .. '"'
end

local function attempt_scope(id)
  return step_scope(id) .. ',"attempt":' .. get('at:' .. id) .. ',"worker":"' .. get('wk:' .. id) .. '"'
end

-- The encoded message for some steps of one agent; its id names the dispatch, so it never repeats.
local function message(agent, steps)
  local spec, batch_id = {}, nil
  for i, id in ipairs(steps) do
    spec[i] = id .. ':' .. get('dn:' .. id)
    batch_id = batch_id or (TASK .. ':' .. spec[i])
  end
  local p = agent.parts
  return p[1] .. table.concat(spec, ' ') .. p[2] .. batch_id .. p[3] .. int(NOW) .. p[4], batch_id
end

-- Sends ready steps of one agent as one message. `deps` of a step were complete before.
local function send(agent, steps)
  for _, id in ipairs(steps) do
    redis.call('HINCRBY', T, 'dn:' .. id, 1)
    redis.call('HSET', T, 'st:' .. id, 'queued', 'qa:' .. id, int(NOW), 'dv:' .. id, 0)
  end
  local body, batch_id = message(agent, steps)
  for _, id in ipairs(steps) do
    emit('step.queued', step_scope(id),
      '{"queue":"' .. agent.queue .. '","batch_id":"' .. batch_id .. '","deps":[' .. get('de:' .. id) .. ']}')
  end
  emit('batch.dispatched', '', '{"batch_id":"' .. batch_id .. '","agent":"' .. agent.name .. '","size":'
    .. #steps .. ',"step_ids":[' .. table.concat(steps, ',') .. ']}')
  redis.call('XADD', agent.stream, '*', 'm', body)
end

-- Manual batching: steps of one agent that became ready in this transition share messages.
local function dispatch(ready)
  local order, groups = {}, {}
  for _, id in ipairs(ready) do
    local agent = agent_of(id)
    local group = groups[agent.name]
    if not group or #group.steps >= agent.batch_max then
      group = {agent = agent, steps = {}}
      groups[agent.name] = group
      order[#order + 1] = group
    end
    group.steps[#group.steps + 1] = id
  end
  for _, group in ipairs(order) do
    send(group.agent, group.steps)
  end
end

local function ending()
  return '"duration_ms":' .. int(NOW - number('created')) .. ',"totals":{"steps":' .. int(number('steps'))
    .. ',"retries":' .. int(number('retries')) .. ',"tokens":' .. int(number('tokens'))
    .. ',"usd":' .. (get('usd') or '0') .. '}'
end

-- The one terminal event, always last; from here every key of the task expires.
local function finish(status, data)
  redis.call('HSET', T, 'status', status, 'finished', int(NOW))
  emit('task.' .. status, '', data)
  redis.call('ZREM', OPEN, TASK)
  local keep = int(number('keep'))
  redis.call('PEXPIRE', T, keep)
  redis.call('PEXPIRE', EV, keep)
  for _, id in ipairs(ids(get('ids'))) do
    redis.call('PEXPIRE', RESULTS .. id, keep)
  end
end

-- Takes a scheduled retry out of the delay queue, if it is still there.
local function unschedule(id)
  local member = get('du:' .. id)
  if member and member ~= '' then
    local agent = agent_of(id)
    redis.call('ZREM', agent.due, member)
    redis.call('HDEL', agent.due_bodies, member)
    redis.call('HDEL', T, 'du:' .. id)
  end
end

-- Everything that is not settled when a step has failed for good will never run.
local function abandon_rest(cause)
  local data = '{"reason":"step ' .. cause .. ' failed","caused_by":' .. cause .. '}'
  for _, id in ipairs(ids(get('ids'))) do
    local state = get('st:' .. id)
    if state == 'running' then
      redis.call('HSET', T, 'st:' .. id, 'cancelled')
      emit('step.cancelled', attempt_scope(id), data)
    elseif state == 'waiting' or state == 'queued' or state == 'retrying' then
      unschedule(id)
      redis.call('HSET', T, 'st:' .. id, 'skipped')
      emit('step.skipped', step_scope(id), data)
    end
  end
end

local function bury(id, error)
  local agent = agent_of(id)
  local body, letter = message(agent, {id})
  local old = redis.call('ZRANGE', agent.dlq, 0, -DEAD_MAX - 1)
  if #old > 0 then
    redis.call('ZREM', agent.dlq, unpack(old, 1, math.min(#old, 100)))
    redis.call('HDEL', agent.dlq_bodies, unpack(old, 1, math.min(#old, 100)))
    redis.call('HDEL', agent.dlq_meta, unpack(old, 1, math.min(#old, 100)))
  end
  redis.call('ZADD', agent.dlq, int(NOW), letter)
  redis.call('HSET', agent.dlq_bodies, letter, body)
  redis.call('HSET', agent.dlq_meta, letter, '{"reason":"step failed","error":' .. error .. ',"level":'
    .. agent.level .. ',"deliveries":' .. get('at:' .. id) .. ',"died_at":' .. int(NOW) .. '}')
end

-- A step is out of attempts: dead letter, event, and the task fails with it.
local function fail_for_good(id, error, retryable, attempts_left)
  redis.call('HSET', T, 'st:' .. id, 'failed', 'er:' .. id, error)
  emit('step.failed', attempt_scope(id),
    '{"error":' .. error .. ',"retryable":' .. retryable .. ',"attempts_left":' .. int(attempts_left) .. '}')
  bury(id, error)
  abandon_rest(id)
  redis.call('HSET', T, 'error', error)
  finish('failed', '{"error":' .. error .. ',"failed_step":' .. id .. ',' .. ending() .. '}')
end

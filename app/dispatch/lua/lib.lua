-- Shared by every transition. The script that includes this declares
--   KEYS[1] task hash   [2] event stream and channel   [3] firehose   [4] open tasks   [5] prefix of result keys
--   ARGV[1] task id     [2] rand16 for the ids of the events written here
-- Other keys (queue streams, due and dead letters) are read from the task hash; every key carries the
-- same hash tag, so all of them lie in the slot of KEYS[1].
-- Times are the server's. `data` members come encoded from Python; only numbers and safe names are joined here.

local T, EV, FIRE, OPEN, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local TASK, RAND = ARGV[1], ARGV[2]
local FIRE_MAXLEN = 10000
local FIRE_BYTES_MAX = 16384
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

-- What most transitions need of a step, in one read. `agent` is the agent's name.
local function load(id)
  local v = redis.call('HMGET', T, 'st:' .. id, 'tk:' .. id, 'ag:' .. id, 'at:' .. id, 'wk:' .. id, 'dn:' .. id)
  return {id = id, state = v[1], token = v[2], agent = v[3], attempt = v[4], worker = v[5], dispatch = v[6]}
end

-- What the agent's line of the task hash holds, in the order Python wrote it.
local agents = {}
local function agent_of(step)
  local name = step.agent
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
  local seq = int(redis.call('HINCRBY', T, 'seq', 1))
  local id = seq .. '-' .. RAND
  local body = '{"v":1,"seq":' .. seq .. ',"type":"' .. kind .. '","ts":' .. int(NOW)
    .. ',"task_id":"' .. TASK .. '"' .. scope .. trace .. ',"data":' .. data .. '}'
  redis.call('XADD', EV, id, 'e', body)
  redis.call('SPUBLISH', EV, id .. ' ' .. body)
  if not quiet then
    if #body > FIRE_BYTES_MAX then
      body = string.sub(body, 1, -#data - 2) .. '{"omitted_bytes":' .. #data .. '}}'
    end
    redis.call('XADD', FIRE, 'MAXLEN', '~', FIRE_MAXLEN, '*', 'e', body)
  end
end

local function step_scope(step)
  return ',"step_id":' .. step.id .. ',"agent":"' .. step.agent .. '"'
end

local function attempt_scope(step)
  return step_scope(step) .. ',"attempt":' .. step.attempt .. ',"worker":"' .. step.worker .. '"'
end

-- The encoded message for some steps of one agent; its id names the dispatch, so it never repeats.
local function message(agent, steps)
  local spec = {}
  for i, step in ipairs(steps) do
    spec[i] = step.id .. ':' .. step.dispatch
  end
  local p, batch_id = agent.parts, TASK .. ':' .. spec[1]
  return p[1] .. table.concat(spec, ' ') .. p[2] .. batch_id .. p[3] .. int(NOW) .. p[4], batch_id
end

-- Sends ready steps of one agent as one message.
local function send(agent, steps)
  local step_ids = {}
  for i, step in ipairs(steps) do
    step.dispatch = int(redis.call('HINCRBY', T, 'dn:' .. step.id, 1))
    redis.call('HSET', T, 'st:' .. step.id, 'queued', 'qa:' .. step.id, int(NOW), 'dv:' .. step.id, 0)
    step_ids[i] = step.id
  end
  local body, batch_id = message(agent, steps)
  for _, step in ipairs(steps) do
    emit('step.queued', step_scope(step), '{"queue":"' .. agent.queue .. '","batch_id":"' .. batch_id
      .. '","deps":[' .. get('de:' .. step.id) .. ']}')
  end
  emit('batch.dispatched', '', '{"batch_id":"' .. batch_id .. '","agent":"' .. agent.name .. '","size":'
    .. #steps .. ',"step_ids":[' .. table.concat(step_ids, ',') .. ']}')
  redis.call('XADD', agent.stream, '*', 'm', body)
end

-- Manual batching: steps of one agent that became ready in this transition share messages.
local function dispatch(ready)
  local order, open = {}, {}
  for _, id in ipairs(ready) do
    local step = load(id)
    local agent = agent_of(step)
    local group = open[agent.name]
    if not group or #group.steps >= agent.batch_max then
      group = {agent = agent, steps = {}}
      open[agent.name] = group
      order[#order + 1] = group
    end
    group.steps[#group.steps + 1] = step
  end
  for _, group in ipairs(order) do
    send(group.agent, group.steps)
  end
end

-- Equal documents are kept once, and as long as any task that came with them needs them.
local function keep_documents(key, documents)
  redis.call('HSET', T, 'docs', key)
  redis.call('SET', key, documents)
  redis.call('INCR', key .. ':tasks')
  redis.call('PERSIST', key .. ':tasks')
end

local function drop_documents(keep)
  local key = get('docs')
  if key and redis.call('DECR', key .. ':tasks') <= 0 then
    redis.call('PEXPIRE', key, keep)
    redis.call('PEXPIRE', key .. ':tasks', keep)
  end
end

local function ending()
  local v = redis.call('HMGET', T, 'created', 'steps', 'retries', 'tokens', 'usd')
  return '"duration_ms":' .. int(NOW - tonumber(v[1])) .. ',"totals":{"steps":' .. v[2] .. ',"retries":'
    .. (v[3] or '0') .. ',"tokens":' .. (v[4] or '0') .. ',"usd":' .. (v[5] or '0') .. '}'
end

-- The one terminal event, always last; from here every key of the task expires.
local function finish(status, data)
  redis.call('HSET', T, 'status', status, 'finished', int(NOW))
  emit('task.' .. status, '', data)
  redis.call('ZREM', OPEN, TASK)
  local keep = get('keep')
  redis.call('PEXPIRE', T, keep)
  redis.call('PEXPIRE', EV, keep)
  for _, id in ipairs(ids(get('ids'))) do
    redis.call('PEXPIRE', RESULTS .. id, keep)
  end
  drop_documents(keep)
end

-- Takes a scheduled retry out of the delay queue, if it is still there.
local function unschedule(step)
  local member = get('du:' .. step.id)
  if member then
    local agent = agent_of(step)
    redis.call('ZREM', agent.due, member)
    redis.call('HDEL', agent.due_bodies, member)
    redis.call('HDEL', T, 'du:' .. step.id)
  end
end

-- Everything that is not settled when a step has failed for good will never run.
local function abandon_rest(cause)
  local data = '{"reason":"step ' .. cause .. ' failed","caused_by":' .. cause .. '}'
  for _, id in ipairs(ids(get('ids'))) do
    local step = load(id)
    if step.state == 'running' then
      redis.call('HSET', T, 'st:' .. id, 'cancelled')
      emit('step.cancelled', attempt_scope(step), data)
    elseif step.state == 'waiting' or step.state == 'queued' or step.state == 'retrying' then
      unschedule(step)
      redis.call('HSET', T, 'st:' .. id, 'skipped')
      emit('step.skipped', step_scope(step), data)
    end
  end
end

local function bury(step, error)
  local agent = agent_of(step)
  local body, letter = message(agent, {step})
  local old = redis.call('ZRANGE', agent.dlq, 0, -DEAD_MAX - 1)
  for i = 1, math.min(#old, 100) do
    redis.call('ZREM', agent.dlq, old[i])
    redis.call('HDEL', agent.dlq_bodies, old[i])
    redis.call('HDEL', agent.dlq_meta, old[i])
  end
  redis.call('ZADD', agent.dlq, int(NOW), letter)
  redis.call('HSET', agent.dlq_bodies, letter, body)
  redis.call('HSET', agent.dlq_meta, letter, '{"reason":"step failed","error":' .. error .. ',"level":'
    .. agent.level .. ',"deliveries":' .. step.attempt .. ',"died_at":' .. int(NOW) .. '}')
end

-- A step is out of attempts: dead letter, event, and the task fails with it.
local function fail_for_good(step, error, retryable, attempts_left)
  redis.call('HSET', T, 'st:' .. step.id, 'failed', 'er:' .. step.id, error)
  emit('step.failed', attempt_scope(step),
    '{"error":' .. error .. ',"retryable":' .. retryable .. ',"attempts_left":' .. int(attempts_left) .. '}')
  bury(step, error)
  abandon_rest(step.id)
  redis.call('HSET', T, 'error', error)
  finish('failed', '{"error":' .. error .. ',"failed_step":' .. step.id .. ',' .. ending() .. '}')
end

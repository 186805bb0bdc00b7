-- Library: how a step's end moves its task on. Needs _task.lua and _send.lua before it.
-- KEYS     none of its own
-- ARGV     none of its own
-- RETURNS  settle(t, s, state): nothing; resolve(t, s): steps that became ready; give_up(t, s, ...): nothing;
--          conclude(t): nothing; finish(t, status, data): nothing
-- WHY      Every way a step can end comes through here, so a task has one way to end: when no step is left.

local DEAD_MAX, DEAD_DROPPED_MAX = 10000, 100
local HISTORY_MAX = 100
-- Keys outlive the retention by this much, so that what they index can be taken down in order.
local RETENTION_SLACK_MS = 600000
-- States in which a step has a message; only in these can it have a place in the gate of its group.
local UNDER_WAY = {queued = true, running = true, retrying = true, deferred = true}
local SETTLED = {completed = true, failed = true, skipped = true, cancelled = true}

-- The step is over, whatever it came to.
local function settle(t, s, state)
  local was = s.state
  s.state = state
  touch(t, s)
  set(t, 'left', t.left - 1)
  if UNDER_WAY[was] then
    leave(t, s)
  elseif was == 'limited' then
    later('ZREM', gate_of(t).line_key, t.id .. ':' .. s.id)
  end
end

-- Dependents need not wait for it any more.
local function resolve(t, s)
  local ready = {}
  for _, child in ipairs(load(t, ids(s.children))) do
    child.open = child.open - 1
    touch(t, child)
    if child.open == 0 and child.state == 'waiting' then
      ready[#ready + 1] = child
    end
  end
  return ready
end

-- Its running attempt, if there is one, is told to stop.
local function call_off(t, s)
  later('SPUBLISH', TAG .. ':stop:' .. s.worker, t.id .. ' ' .. s.id .. ' ' .. token(s))
end

-- Ends a step that will not be run, or not to its end. `why` is the data of its event.
local function drop(t, s, why)
  if s.state == 'running' then
    call_off(t, s)
    settle(t, s, 'cancelled')
    emit_attempt(t, 'step.cancelled', s, why)
    return
  end
  if s.state == 'retrying' or s.state == 'deferred' or (s.state == 'queued' and tonumber(s.queued) > NOW) then
    unschedule(t, s)
  end
  settle(t, s, 'skipped')
  emit_step(t, 'step.skipped', s, why)
end

local function because(reason, cause)
  return '{"reason":"' .. reason .. '","caused_by":' .. (cause or 'null') .. '}'
end

-- What stands in line first: it must not be let in by those that leave behind it. Whoever stood behind it may have
-- a larger limit, and come in now.
local function drop_all(t, why, keeps)
  local rest, stood_in_line = {}, false
  for _, s in ipairs(load_all(t)) do
    if not SETTLED[s.state] and not (keeps and keeps(s)) then
      if s.state == 'limited' then
        drop(t, s, why)
        stood_in_line = true
      else
        rest[#rest + 1] = s
      end
    end
  end
  for _, s in ipairs(rest) do
    drop(t, s, why)
  end
  if stood_in_line then
    fill(gate_of(t))
  end
end

-- Everything behind the step is skipped.
local function skip_below(t, s, why)
  local front = {s}
  while #front > 0 do
    local parent = table.remove(front)
    for _, child in ipairs(load(t, ids(parent.children))) do
      if child.state == 'waiting' then
        drop(t, child, why)
        front[#front + 1] = child
      end
    end
  end
end

-- What language models took, for the task and for the fleet. Billionths of a dollar add up exactly, and a price per
-- million tokens has no smaller part worth a thought; a number of up to 15 digits is written out in full.
local function count_usage(t, calls, input, output, nano_usd)
  if calls == '0' then
    return
  end
  local v = redis.call('HMGET', t.key, 'tokens', 'nano_usd')
  set(t, 'tokens', string.format('%.0f', (v[1] or 0) + input + output))
  set(t, 'nano_usd', string.format('%.0f', (v[2] or 0) + nano_usd))
  local spent = {calls = calls, input_tokens = input, output_tokens = output, nano_usd = nano_usd}
  for name, amount in pairs(spent) do
    later('HINCRBY', TAG .. ':llm', name, amount)
  end
end

-- What lay between an end and a retry is no part of what the task took.
local function totals(t)
  local v = redis.call('HMGET', t.key, 'created', 'steps', 'retries', 'tokens', 'nano_usd', 'rested')
  return '"duration_ms":' .. (NOW - v[1] - (v[6] or 0)) .. ',"totals":{"steps":' .. (t.steps or v[2]) .. ',"retries":'
    .. (t.retries or v[3] or 0) .. ',"tokens":' .. (v[4] or 0) .. ',"usd":'
    .. string.format('%.15g', (v[5] or 0) / 1e9) .. '}'
end

-- Where the task is listed: per tenant, per label, per state.
local function reindex(t, index, from, to)
  local tenant = string.match(index, '^[^\n]*')
  later('ZREM', TAG .. ':ix:' .. tenant .. ':s:' .. from, t.id)
  later('ZADD', TAG .. ':ix:' .. tenant .. ':s:' .. to, 0, t.id)
end

-- Equal documents are kept once, and as long as any task that came with them needs them.
local function drop_documents(key, keep)
  if key and redis.call('EXISTS', key .. ':tasks') == 1 then
    later('DECR', key .. ':tasks')
    if tonumber(redis.call('GET', key .. ':tasks')) <= 1 then
      later('PEXPIRE', key, keep)
      later('PEXPIRE', key .. ':tasks', keep)
    end
  end
end

-- The one terminal event, always last; from here every key of the task expires.
local function finish(t, status, members)
  local v = redis.call('HMGET', t.key, 'keep', 'index', 'docs', 'deadline')
  set(t, 'status', status)
  set(t, 'finished', NOW)
  emit(t, 'task.' .. status, '{' .. members .. ',' .. totals(t) .. '}')
  local keep = v[1] + RETENTION_SLACK_MS
  later('ZREM', TAG .. ':open', t.id)
  if v[4] or t.status == 'cancelled' then
    later('ZREM', TAG .. ':deadlines', t.id)
  end
  later('ZADD', TAG .. ':expiry', NOW + v[1], t.id)
  reindex(t, v[2], 'open', status)
  later('PEXPIRE', t.key, keep)
  later('PEXPIRE', t.log, keep)
  drop_documents(v[3], keep)
end

local function finish_cancelled(t)
  local v = redis.call('HMGET', t.key, 'cancel_at', 'cancel_reason')
  finish(t, 'cancelled', '"reason":' .. (t.cancel_reason or v[2] or 'null') .. ',"stop_latency_ms":'
    .. (NOW - (t.cancel_at or v[1] or NOW)))
end

-- When no step is left the task is over. It is a success if one of its last steps is.
local function conclude(t)
  if tonumber(t.left) > 0 or TERMINAL[t.status] then
    return
  end
  local v = redis.call('HMGET', t.key, 'error', 'failed_step', 'partial')
  local error = t.error or v[1]
  if t.status ~= 'cancelling' and tonumber(t.sinks) > 0 then
    finish(t, 'completed', '"partial":' .. ((t.partial or v[3]) and 'true' or 'false'))
  elseif t.status ~= 'cancelling' and error then
    finish(t, 'failed', '"error":' .. error .. ',"failed_step":' .. (t.failed_step or v[2]))
  else
    finish_cancelled(t)
  end
end

local function bury(t, s, error)
  local body, letter = message(t, {s})
  local dlq = TAG .. ':dlq:' .. s.queue
  local over = redis.call('ZCARD', dlq) + 1 - DEAD_MAX
  for _, old in ipairs(over > 0 and redis.call('ZRANGE', dlq, 0, math.min(over, DEAD_DROPPED_MAX) - 1) or {}) do
    later('ZREM', dlq, old)
    later('HDEL', dlq .. ':m', old)
    later('HDEL', dlq .. ':x', old)
  end
  later('ZADD', dlq, NOW, letter)
  later('HSET', dlq .. ':m', letter, body)
  later('HSET', dlq .. ':x', letter, '{"reason":"step failed","error":' .. error .. ',"level":' .. t.level
    .. ',"deliveries":' .. s.attempt .. ',"died_at":' .. NOW .. '}')
end

-- Its failure is no longer final: the letter about it is void.
local function exhume(t, s)
  local _, letter = message(t, {s})
  local dlq = TAG .. ':dlq:' .. s.queue
  redis.call('ZCARD', dlq)
  later('ZREM', dlq, letter)
  later('HDEL', dlq .. ':m', letter)
  later('HDEL', dlq .. ':x', letter)
end

-- Every attempt's error stays visible.
local function remember(t, s, error)
  local name = 'er:' .. s.id
  local lines = t[name] or redis.call('HGET', t.key, name)
  local line = '{"attempt":' .. s.attempt .. ',"at":' .. NOW .. ',"worker":"' .. s.worker .. '","error":' .. error .. '}'
  local _, count = string.gsub(lines or '', '\n', '')
  if count < HISTORY_MAX then
    set(t, name, lines and lines .. '\n' .. line or line)
  end
end

-- The step has failed for good; its plan says what that means for the others.
local function give_up(t, s, error, retryable, attempts_left)
  settle(t, s, 'failed')
  emit_attempt(t, 'step.failed', s,
    '{"error":' .. error .. ',"retryable":' .. retryable .. ',"attempts_left":' .. attempts_left .. '}')
  -- What ends the task counts, or else what it met first.
  local ends = s.on_failure == 'fail' and t.status ~= 'cancelling'
  if ends or not (t.error or redis.call('HGET', t.key, 'error')) then
    set(t, 'error', error)
    set(t, 'failed_step', s.id)
  end
  if t.status ~= 'cancelling' then
    bury(t, s, error)
    if ends then
      drop_all(t, because('step ' .. s.id .. ' failed', s.id))
      finish(t, 'failed', '"error":' .. error .. ',"failed_step":' .. s.id)
      return
    end
    set(t, 'partial', 1)
    if s.on_failure == 'skip' then
      skip_below(t, s, because('step ' .. s.id .. ' failed', s.id))
    else
      dispatch(t, resolve(t, s))
    end
  end
  conclude(t)
end

-- An attempt ended because its worker died.
local function crash(t, s, crashes_max)
  s.crashes = s.crashes + 1
  touch(t, s)
  local error = '{"type":"WorkerDied","code":"poison","message":"The worker died ' .. s.crashes
    .. ' times while it ran this step."}'
  remember(t, s, error)
  if s.crashes < tonumber(crashes_max) then
    return false
  end
  give_up(t, s, error, 'false', 0)
  return true
end

#!lua flags=allow-oom
-- Begins an attempt of a step, if this dispatch of it is still wanted.
-- KEYS  see _task.lua
-- ARGV  6 step   7 dispatch number   8 nonce   9 worker   10 most crashes
-- RETURNS {'run', step, dispatch number, attempt, token, failures, run, dependencies, dependents, next free step id,
--          steps, ms it waited, ms until the task's deadline or '', step JSON, task text, task inputs JSON,
--          results of the dependencies, when they are few and small}; see _hand.lua for which step that is
--         | {'drop', reason}: nothing to do, the entry may go
-- WHY   The token `attempt:nonce` is the fence. After a failover the attempt number may repeat, the nonce
--       does not, so only equality of the whole token counts.

local id, nonce, worker = ARGV[6], ARGV[8], ARGV[9]

-- The step is settled, aside, or sent again; the task has ended or is gone.
local function stale(reason)
  tally('stale', 1, TOTALS_MAX)
  return {'drop', reason}
end

local t, extra = open(TASK, id, 'steps', 'started')
if not t then
  return stale('unknown')
end
local s = t.step[id]
if TERMINAL[t.status] or not s then
  return stale(TERMINAL[t.status] and t.status or 'unknown')
end
if s.dispatch ~= ARGV[7] then
  return stale('superseded')
end

s = handed_over(t, s)
if s.state == 'running' and s.nonce == nonce then
  return run(t, s)
end
if not UNDER_WAY[s.state] then
  return stale(s.state)
end

local function put_off(reason)
  commit()
  return {'drop', reason}
end

local provider_ms = redis.call('PTTL', TAG .. ':provider:' .. s.provider)
local redelivered = nil
if s.state == 'running' then
  redelivered = '{"from_worker":"' .. s.worker .. '","to_worker":"' .. worker .. '","idle_ms":' .. (NOW - s.seen) .. '}'
  if t.status == 'cancelling' then
    settle(t, s, 'cancelled')
    emit_attempt(t, 'step.cancelled', s, because('worker died', nil))
    conclude(t)
    return put_off('cancelled')
  end
  if crash(t, s, ARGV[10]) then
    return put_off('poison')
  end
end
if redelivered and (t.status == 'paused' or provider_ms > 0) then
  emit_attempt(t, 'step.released', s, '{"reason":"worker died"}')
end
if t.status == 'paused' then
  leave(t, s)
  hold(t, s, 'held', 'paused')
  return put_off('held')
end
if provider_ms > 0 then
  local delay_ms = provider_ms + spread(provider_ms)
  s.state = 'deferred'
  schedule(t, s, NOW + delay_ms)
  emit_step(t, 'step.deferred', s,
    '{"delay_ms":' .. delay_ms .. ',"reason":"rate_limited","provider":"' .. s.provider .. '"}')
  leave(t, s)
  return put_off('deferred')
end

if not admitted(t, s) then
  return put_off('limited')
end

local waited_ms = math.max(0, NOW - s.queued)
s.attempt, s.delivery = s.attempt + 1, s.delivery + 1
s.state, s.nonce, s.worker, s.started, s.seen, s.reports = 'running', nonce, worker, NOW_TEXT, NOW_TEXT, 0
touch(t, s)
if t.status == 'queued' then
  set(t, 'status', 'running')
end
if not extra[2] then
  set(t, 'started', NOW)
  emit(t, 'task.started', '{"steps_total":' .. extra[1] .. '}')
end
emit_attempt(t, 'step.started', s, '{"queue_wait_ms":' .. waited_ms .. ',"delivery":' .. s.delivery .. '}')
if redelivered then
  emit_attempt(t, 'step.redelivered', s, redelivered)
end
commit()
return run(t, s)

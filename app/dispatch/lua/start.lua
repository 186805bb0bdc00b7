#!lua flags=allow-oom
-- Begins an attempt of a step, if this dispatch of it is still wanted.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 dispatch number   5 nonce   6 worker   7 most crashes
-- RETURNS {'run', attempt, token, failures, step JSON, task text, task inputs JSON}
--         | {'drop', reason}: nothing to do, the entry may go
-- WHY   The token `attempt:nonce` is the fence. After a failover the attempt number may repeat, the nonce
--       does not, so only equality of the whole token counts.

local id, nonce, worker = ARGV[3], ARGV[5], ARGV[6]
local status = get('status')
if not status then
  return {'drop', 'unknown'}
end
if terminal(status) then
  return {'drop', status}
end
local state, dispatch_no, token = get('st:' .. id), get('dn:' .. id), get('tk:' .. id) or ''
if dispatch_no ~= ARGV[4] then
  return {'drop', 'superseded'}
end
local function run(attempt, fence)
  return {'run', tonumber(attempt), fence, number('fl:' .. id), get('in:' .. id), get('task'), get('inputs')}
end
if state == 'running' and token == get('at:' .. id) .. ':' .. nonce then
  return run(get('at:' .. id), token)
end
if state ~= 'queued' and state ~= 'retrying' and state ~= 'running' then
  return {'drop', state}
end

local redelivered = nil
if state == 'running' then
  local crashes = redis.call('HINCRBY', T, 'cr:' .. id, 1)
  redelivered = '{"from_worker":"' .. get('wk:' .. id) .. '","to_worker":"' .. worker .. '","idle_ms":'
    .. int(NOW - number('la:' .. id)) .. '}'
  if crashes >= tonumber(ARGV[7]) then
    fail_for_good(id, '{"type":"WorkerDied","code":"poison","message":"The worker died ' .. int(crashes)
      .. ' times while it ran this step."}', 'false', 0)
    return {'drop', 'poison'}
  end
end
local attempt = redis.call('HINCRBY', T, 'at:' .. id, 1)
local fence = int(attempt) .. ':' .. nonce
local delivery = redis.call('HINCRBY', T, 'dv:' .. id, 1)
redis.call('HSET', T, 'st:' .. id, 'running', 'tk:' .. id, fence, 'wk:' .. id, worker, 'sa:' .. id, int(NOW),
  'la:' .. id, int(NOW), 'dl:' .. id, int(NOW + number('to:' .. id)),
  'ps:' .. id, 0)
redis.call('HDEL', T, 'du:' .. id)
if status == 'queued' then
  redis.call('HSET', T, 'status', 'running', 'started', int(NOW))
  emit('task.started', '', '{"steps_total":' .. int(number('steps')) .. '}')
end
emit('step.started', attempt_scope(id), '{"queue_wait_ms":' .. int(math.max(0, NOW - number('qa:' .. id)))
  .. ',"delivery":' .. int(delivery) .. '}')
if redelivered then
  emit('step.redelivered', attempt_scope(id), redelivered)
end
return run(attempt, fence)

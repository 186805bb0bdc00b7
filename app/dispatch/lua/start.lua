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
local step = load(id)
if step.dispatch ~= ARGV[4] then
  return {'drop', 'superseded'}
end
local function run()
  local v = redis.call('HMGET', T, 'fl:' .. id, 'in:' .. id, 'task', 'inputs')
  return {'run', tonumber(step.attempt), step.token, tonumber(v[1] or 0), v[2], v[3], v[4]}
end
if step.state == 'running' and step.token == step.attempt .. ':' .. nonce then
  return run()
end
if step.state ~= 'queued' and step.state ~= 'retrying' and step.state ~= 'running' then
  return {'drop', step.state}
end

local redelivered = nil
if step.state == 'running' then
  local crashes = redis.call('HINCRBY', T, 'cr:' .. id, 1)
  redelivered = '{"from_worker":"' .. step.worker .. '","to_worker":"' .. worker .. '","idle_ms":'
    .. int(NOW - number('la:' .. id)) .. '}'
  if crashes >= tonumber(ARGV[7]) then
    fail_for_good(step, '{"type":"WorkerDied","code":"poison","message":"The worker died ' .. int(crashes)
      .. ' times while it ran this step."}', 'false', 0)
    return {'drop', 'poison'}
  end
end
step.attempt = int(redis.call('HINCRBY', T, 'at:' .. id, 1))
step.token, step.worker = step.attempt .. ':' .. nonce, worker
local delivery = redis.call('HINCRBY', T, 'dv:' .. id, 1)
local v = redis.call('HMGET', T, 'qa:' .. id, 'to:' .. id)
redis.call('HSET', T, 'st:' .. id, 'running', 'tk:' .. id, step.token, 'wk:' .. id, worker, 'sa:' .. id, int(NOW),
  'la:' .. id, int(NOW), 'dl:' .. id, int(NOW + tonumber(v[2])), 'ps:' .. id, 0)
redis.call('HDEL', T, 'du:' .. id)
if status == 'queued' then
  redis.call('HSET', T, 'status', 'running', 'started', int(NOW))
  emit('task.started', '', '{"steps_total":' .. get('steps') .. '}')
end
emit('step.started', attempt_scope(step), '{"queue_wait_ms":' .. int(math.max(0, NOW - tonumber(v[1])))
  .. ',"delivery":' .. int(delivery) .. '}')
if redelivered then
  emit('step.redelivered', attempt_scope(step), redelivered)
end
return run()

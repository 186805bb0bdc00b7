#!lua flags=allow-oom
-- Settles an attempt as failed: another attempt after a delay, or the end of the step and its task.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 token   5 error JSON   6 '1' if trying again may help   7 delay ms   8 most attempts
--       9 reason, a JSON string
-- RETURNS {'ok', 'retrying' | 'failed'} | {'fenced', state of the step}
-- WHY   The retry is an ordinary delayed message of the broker, written here so that no crash can come
--       between the failure's record and the next attempt.

local id = ARGV[3]
local step = load(id)
if step.token == ARGV[4] and (step.state == 'retrying' or step.state == 'failed') then
  return {'ok', step.state}
end
if step.token ~= ARGV[4] or step.state ~= 'running' then
  return {'fenced', step.state or 'unknown'}
end
local failures = redis.call('HINCRBY', T, 'fl:' .. id, 1)
local left = tonumber(ARGV[8]) - failures
if ARGV[6] ~= '1' or left <= 0 then
  fail_for_good(step, ARGV[5], ARGV[6] == '1' and 'true' or 'false', math.max(0, left))
  return {'ok', 'failed'}
end
local agent, due = agent_of(step), NOW + tonumber(ARGV[7])
redis.call('HINCRBY', T, 'retries', 1)
step.dispatch = int(redis.call('HINCRBY', T, 'dn:' .. id, 1))
local body, letter = message(agent, {step})
local member = agent.level .. '|' .. letter .. '|' .. step.dispatch
redis.call('HSET', T, 'st:' .. id, 'retrying', 'er:' .. id, ARGV[5], 'qa:' .. id, int(due), 'dv:' .. id, 0,
  'du:' .. id, member)
redis.call('HSET', agent.due_bodies, member, body)
redis.call('ZADD', agent.due, int(due), member)
emit('step.retry_scheduled', attempt_scope(step), '{"next_attempt":' .. int(tonumber(step.attempt) + 1)
  .. ',"delay_ms":' .. ARGV[7] .. ',"reason":' .. ARGV[9] .. '}')
if redis.call('ZRANK', agent.due, member) == 0 then
  redis.call('SPUBLISH', agent.wake, agent.queue)
end
return {'ok', 'retrying'}

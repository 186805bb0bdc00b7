#!lua flags=allow-oom
-- Settles an attempt as failed: another attempt after a delay, or the end of the step and its task.
-- KEYS  1-5 see lib.lua
-- ARGV  3 step   4 token   5 error JSON   6 '1' if trying again may help   7 delay ms   8 most attempts
--       9 reason, a JSON string
-- RETURNS {'ok', 'retrying' | 'failed'} | {'fenced', state of the step}
-- WHY   The retry is an ordinary delayed message of the broker, written here so that no crash can come
--       between the failure's record and the next attempt.

local id = ARGV[3]
local state, token = get('st:' .. id), get('tk:' .. id)
if token == ARGV[4] and (state == 'retrying' or state == 'failed') then
  return {'ok', state}
end
if token ~= ARGV[4] or state ~= 'running' then
  return {'fenced', state or 'unknown'}
end
local failures = redis.call('HINCRBY', T, 'fl:' .. id, 1)
local left = tonumber(ARGV[8]) - failures
if ARGV[6] ~= '1' or left <= 0 then
  fail_for_good(id, ARGV[5], ARGV[6] == '1' and 'true' or 'false', math.max(0, left))
  return {'ok', 'failed'}
end
local agent, due = agent_of(id), NOW + tonumber(ARGV[7])
redis.call('HINCRBY', T, 'retries', 1)
redis.call('HINCRBY', T, 'dn:' .. id, 1)
local body, letter = message(agent, {id})
local member = agent.level .. '|' .. letter .. '|' .. get('dn:' .. id)
redis.call('HSET', T, 'st:' .. id, 'retrying', 'er:' .. id, ARGV[5], 'qa:' .. id, int(due), 'dv:' .. id, 0,
  'du:' .. id, member)
redis.call('HSET', agent.due_bodies, member, body)
redis.call('ZADD', agent.due, int(due), member)
emit('step.retry_scheduled', attempt_scope(id), '{"next_attempt":' .. int(number('at:' .. id) + 1)
  .. ',"delay_ms":' .. ARGV[7] .. ',"reason":' .. ARGV[9] .. '}')
if redis.call('ZRANK', agent.due, member) == 0 then
  redis.call('SPUBLISH', agent.wake, agent.queue)
end
return {'ok', 'retrying'}

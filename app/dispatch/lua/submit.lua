#!lua
-- Accepts a task: its state, its first events and its first entries, in one act.
-- KEYS  1-5 see lib.lua   6 the broker's set of queues   7 documents   8... streams whose length is the backlog
-- ARGV  3 most waiting entries   4 queue names, space-separated   5 data of task.submitted
--       6 data of plan.created   7 ids of the steps that wait for nothing   8 documents, '' when there are none
--       9... fields of the task hash
-- RETURNS {'ok'} | {'busy', backlog}
-- WHY   No allow-oom: a full Redis refuses new tasks so that accepted ones can finish.

if redis.call('EXISTS', T) == 1 then
  return {'ok'}
end
local backlog = 0
for i = 8, #KEYS do
  backlog = backlog + redis.call('XLEN', KEYS[i])
end
if backlog >= tonumber(ARGV[3]) then
  return {'busy', backlog}
end
for i = 9, #ARGV, 500 do
  redis.call('HSET', T, unpack(ARGV, i, math.min(i + 499, #ARGV)))
end
redis.call('HSET', T, 'created', int(NOW), 'status', 'queued')
if ARGV[8] ~= '' then
  keep_documents(KEYS[7], ARGV[8])
end
redis.call('ZADD', OPEN, int(NOW), TASK)
redis.call('SADD', KEYS[6], unpack(split(ARGV[4], ' ')))
emit('task.submitted', '', ARGV[5])
emit('plan.created', '', ARGV[6])
dispatch(ids(ARGV[7]))
return {'ok'}

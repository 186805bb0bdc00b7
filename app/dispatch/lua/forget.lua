#!lua flags=allow-oom
-- Deletes ended tasks: one that is named, or those whose retention is over.
-- KEYS  see _task.lua
-- ARGV  2 task id, or '' for all that are due   6 most tasks deleted by one call
-- RETURNS {how many} | {'open', status}: the named one has not ended | {'unknown'}
-- WHY   Keys would expire by themselves, but only while the task is known can its places in the lists be found, and
--       the letters of its failed steps, which hold what was said of their failure.

local expiry, gone = TAG .. ':expiry', 0

-- Most tasks have no letters, and are not looked through for them.
local function exhume_all(task_id)
  local t, extra = open(task_id, nil, 'partial')
  if t and (t.status == 'failed' or extra[1]) then
    for _, s in ipairs(load_all(t)) do
      if s.state == 'failed' then
        exhume(t, s)
      end
    end
  end
end

local function delete(task_id)
  exhume_all(task_id)
  local key = TAG .. ':t:' .. task_id
  local v = redis.call('HMGET', key, 'index', 'status')
  local tenant = string.match(v[1] or '', '^[^\n]*')
  for list in string.gmatch(v[1] or '', '[^\n]+') do
    redis.call('ZREM', TAG .. ':ix:' .. list, task_id)
  end
  if v[2] then
    redis.call('ZREM', TAG .. ':ix:' .. tenant .. ':s:' .. v[2], task_id)
  end
  redis.call('UNLINK', key, TAG .. ':ev:' .. task_id)
  redis.call('ZREM', expiry, task_id)
  gone = gone + 1
end

if TASK ~= '' then
  local status = redis.call('HGET', TAG .. ':t:' .. TASK, 'status')
  if not status then
    return {'unknown'}
  end
  if not TERMINAL[status] then
    return {'open', status}
  end
  delete(TASK)
  commit()
  return {gone}
end
for _, task_id in ipairs(redis.call('ZRANGE', expiry, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, ARGV[6])) do
  delete(task_id)
end
commit()
return {gone}

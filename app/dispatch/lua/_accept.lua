-- Library: takes a new task in. Needs _task.lua, _send.lua and _flow.lua before it.
-- KEYS     none of its own
-- ARGV     6 most open tasks   7 most waiting entries   8 queue names, space-separated
--          9 key of the idempotency record, '' when there is none   10 hash of the request   11 its TTL, ms
--          12 members of task.submitted's data   13 data of plan.created   14 ids of the steps that wait for
--          nothing   15 not before   16 deadline: both ms, '+ms' from now, or ''   17 key of the documents
--          18 documents, '' when there are none   19 label indexes, newline-separated   20 id of the source task
--          21 ids of the steps taken over from it   22 what planning has to tell: type, space, data per line
--          23 calls to language models for it   24, 25 tokens they read and wrote   26 their cost, billionths of
--          a dollar   27... fields of the task hash
-- RETURNS  accept(): the script's reply, see submit.lua
-- WHY      submit and fork take a task in by the same rules and in one act; fork takes results along.

local function moment(text)
  if text == '' then
    return nil
  end
  return string.sub(text, 1, 1) == '+' and NOW + string.sub(text, 2) or tonumber(text)
end

-- A time may have up to 15 digits, and `..` writes 14.
local function written(ms)
  return ms and string.format('%.0f', ms) or 'null'
end

-- Why the task is not taken, or nil.
local function refusal(not_before, deadline)
  if redis.call('EXISTS', TAG .. ':t:' .. TASK) == 1 then
    return {'ok'}
  end
  local known = ARGV[9] ~= '' and redis.call('GET', ARGV[9])
  if known then
    local hash, task_id = string.match(known, '^(%x*) (.*)$')
    return {hash == ARGV[10] and 'replayed' or 'conflict', task_id}
  end
  if deadline and deadline <= math.max(NOW, not_before or 0) then
    return {'late'}
  end
  local waiting = 0
  for queue in string.gmatch(ARGV[8], '%S+') do
    if SHARED == '' then
      waiting = waiting + redis.call('XLEN', stream_of(queue, '0')) + redis.call('XLEN', stream_of(queue, '1'))
        + redis.call('XLEN', stream_of(queue, '2'))
    else
      waiting = waiting + (redis.call('HGET', TAG .. ':depth', queue) or 0)
    end
  end
  if waiting >= tonumber(ARGV[7]) then
    return {'busy', waiting .. ' messages'}
  end
  local open_tasks = redis.call('ZCARD', TAG .. ':open')
  return open_tasks >= tonumber(ARGV[6]) and {'busy', open_tasks .. ' tasks'} or nil
end

-- What the source has of the wanted results, or nil when it lacks one.
local function taken_over()
  local wanted, names = ids(ARGV[21]), {}
  if #wanted == 0 then
    return wanted, {}
  end
  for i, id in ipairs(wanted) do
    names[i] = 'r:' .. id
  end
  local values = redis.call('HMGET', TAG .. ':t:' .. ARGV[20], unpack(names))
  for _, value in ipairs(values) do
    if not value then
      return nil
    end
  end
  return wanted, values
end

local function keep_documents(key, documents)
  if documents ~= '' then
    later('SET', key, documents)
  elseif key == '' then
    return
  end
  later('PERSIST', key)
  later('INCR', key .. ':tasks')
  later('PERSIST', key .. ':tasks')
end

local function list()
  local n = 0
  for key in string.gmatch(ARGV[19], '[^\n]+') do
    later('ZADD', TAG .. ':ix:' .. key, 0, TASK)
    if n == 0 then
      later('ZADD', TAG .. ':ix:' .. key .. ':s:open', 0, TASK)
    end
    n = n + 1
  end
end

local function send_roots(t, not_before)
  local roots = load(t, ids(ARGV[14]))
  if not not_before or not_before <= NOW then
    dispatch(t, roots)
    return
  end
  for _, s in ipairs(roots) do
    s.state = 'queued'
    queued(t, s, schedule(t, s, not_before), ',"not_before_ms":' .. written(not_before))
  end
end

-- The new task as the rest of the scripts know it, from its fields.
local function born()
  local fields = {}
  for i = 27, #ARGV, 2 do
    fields[ARGV[i]] = ARGV[i + 1]
  end
  local t = new_task(TASK)
  t.seq, t.trace, t.gate = 0, false, false
  for name, value in pairs(fields) do
    set(t, name, value)
  end
  for _, id in ipairs(ids(fields.ids)) do
    decode(t, id, fields['s:' .. id], fields['p:' .. id])
  end
  return t
end

local function accept()
  local not_before, deadline = moment(ARGV[15]), moment(ARGV[16])
  local no = refusal(not_before, deadline)
  if no then
    return no
  end
  local reused, results = taken_over()
  if not reused or (ARGV[18] == '' and ARGV[17] ~= '' and redis.call('EXISTS', ARGV[17]) == 0) then
    return {'gone'}
  end
  local t = born()
  set(t, 'status', 'queued')
  set(t, 'created', NOW)
  if deadline then
    set(t, 'deadline', deadline)
    redis.call('ZCARD', TAG .. ':deadlines')
    later('ZADD', TAG .. ':deadlines', deadline, TASK)
  end
  emit(t, 'task.submitted', '{' .. ARGV[12] .. ',"deadline_ms":' .. written(deadline) .. ',"not_before_ms":'
    .. written(not_before) .. '}')
  for kind, data in string.gmatch(ARGV[22], '(%S+) ([^\n]+)') do
    emit(t, kind, data)
  end
  count_usage(t, ARGV[23], ARGV[24], ARGV[25], ARGV[26])
  emit(t, 'plan.created', ARGV[13])
  local kept = {}
  for i, s in ipairs(load(t, reused)) do
    set(t, 'r:' .. s.id, results[i])
    kept[s.agent] = (kept[s.agent] or 0) + 1
    emit_step(t, 'step.completed', s, '{"duration_ms":0,"summary":"","bytes":' .. #results[i] .. ',"cached":true}')
  end
  send_roots(t, not_before)
  keep_documents(ARGV[17], ARGV[18])
  list()
  later('ZADD', TAG .. ':open', NOW, TASK)
  if ARGV[9] ~= '' then
    later('SET', ARGV[9], ARGV[10] .. ' ' .. TASK, 'PX', ARGV[11])
  end
  for queue in string.gmatch(ARGV[8], '%S+') do
    later('SADD', TAG .. ':queues', queue)
  end
  commit()
  for agent, amount in pairs(kept) do
    tally('kept/' .. agent, amount, TOTALS_MAX)
  end
  return {'ok'}
end

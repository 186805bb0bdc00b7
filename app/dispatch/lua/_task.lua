-- Library: tasks and steps in memory, their events, and the one moment at which all is written.
-- KEYS     [1] a key of the slot; every other key is built from the tag, which is the same for all
-- ARGV     [1] tag   [2] task id, '' for scripts that look for their tasks   [3] rand16 of the event ids
--          [4] the shared stream's name, '' when each queue has its own   [5] format of a message
--          A script's own arguments begin at ARGV[6].
-- RETURNS  open(id, step, ...): a task or nil, and further fields of its hash; load(t, ids): steps
--          emit(...), emit_step(...), emit_attempt(...), later(...), commit(): nothing; fenced(s): a reply
--          begin(keys, argv) comes first, once per call.
-- WHY      A script that fails in the middle is not undone. So a transition first reads and decides on
--          tables, and commit() writes everything at its end: an error before that has changed nothing.
--          Key formats are those of app/keys.py, fields those of app/dispatch/record.py.

local KEYS, ARGV, TAG, TASK, RAND, SHARED, FORMAT
-- Server time in ms, as a number and as text: writing a number out is what costs most in a concatenation.
local NOW, NOW_TEXT
-- What one call opens, remembers and is going to write; begin() empties them.
local opened, tasks, memory, writes, told

local FIRE_MAXLEN = 10000
local ARGS_MAX = 1000
-- Events of one act that may be counted by one field; such fields, and fields in all.
local TOGETHER_MAX, TOGETHER_FIELDS_MAX, TOTALS_MAX = 4, 2048, 4096
local TERMINAL = {completed = true, failed = true, cancelled = true, expired = true}
-- Sixteen members of `s:<id>` and nine of `p:<id>`, in the order of record.py. A later version may have put more behind
-- them, while it replaces this one: they are kept as they are.
local STATE_PATTERN = '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)'
  .. '|([^|]*)|([^|]*)|([^|]*)|([^|]*)(.*)$'
local PLACE_PATTERN = '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)(.*)$'

-- Functions of a library live on between calls; nothing of a call may.
local function begin(keys, argv)
  KEYS, ARGV = keys, argv
  TAG, TASK, RAND, SHARED, FORMAT = argv[1], argv[2], argv[3], argv[4], argv[5]
  opened, tasks, memory, writes, told = {}, {}, {}, {}, {}
  local clock = redis.call('TIME')
  NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)
  NOW_TEXT = string.format('%.0f', NOW)
end

local function ids(text)
  local list = {}
  for id in string.gmatch(text or '', '%d+') do
    list[#list + 1] = id
  end
  return list
end

local function decode(t, id, dynamic, static)
  local s = {id = id}
  s.state, s.dispatch, s.delivery, s.attempt, s.failures, s.crashes, s.deferrals, s.run, s.open, s.nonce,
    s.worker, s.queued, s.started, s.seen, s.reports, s.entry, s.later_state =
    string.match(dynamic, STATE_PATTERN)
  s.agent, s.queue, s.batch_max, s.timeout, s.on_failure, s.gathers, s.provider, s.deps, s.children,
    s.later_place = string.match(static, PLACE_PATTERN)
  t.step[id] = s
  return s
end

local function new_task(id)
  local t = {id = id, key = TAG .. ':t:' .. id, log = TAG .. ':ev:' .. id, events = {}, step = {}, changed = {}, touched = {}}
  opened[#opened + 1], tasks[id] = t, t
  return t
end

-- The task, and what its hash holds in the fields named behind the id. With `step_id` that step is loaded too.
local function open(id, step_id, ...)
  if tasks[id] then
    return tasks[id], select('#', ...) > 0 and redis.call('HMGET', tasks[id].key, ...) or {}
  end
  step_id = step_id or ''
  local v = redis.call('HMGET', TAG .. ':t:' .. id, 'status', 'seq', 'left', 'level', 'trace', 'gate', 'sinks',
    's:' .. step_id, 'p:' .. step_id, ...)
  if not v[1] then
    return nil
  end
  local t = new_task(id)
  t.status, t.seq, t.left, t.level, t.trace, t.gate, t.sinks = v[1], v[2], v[3], v[4], v[5], v[6], v[7]
  if v[8] then
    decode(t, step_id, v[8], v[9])
  end
  return t, {unpack(v, 10, 9 + select('#', ...))}
end

local function load(t, wanted)
  local names, missing = {}, {}
  for _, id in ipairs(wanted) do
    if not t.step[id] then
      missing[#missing + 1] = id
      names[#names + 1], names[#names + 2] = 's:' .. id, 'p:' .. id
    end
  end
  if #missing > 0 then
    local v = redis.call('HMGET', t.key, unpack(names))
    for i, id in ipairs(missing) do
      if v[2 * i - 1] then
        decode(t, id, v[2 * i - 1], v[2 * i])
      end
    end
  end
  local found = {}
  for _, id in ipairs(wanted) do
    found[#found + 1] = t.step[id]
  end
  return found
end

local function load_all(t)
  return load(t, ids(redis.call('HGET', t.key, 'ids')))
end

local function set(t, name, value)
  t[name] = value
  t.changed[name] = true
end

local function touch(t, s)
  t.touched[s.id] = s
end

local function token(s)
  return s.attempt .. ':' .. s.nonce
end

local function step_scope(s)
  return ',"step_id":' .. s.id .. ',"agent":"' .. s.agent .. '"'
end

local function attempt_scope(s)
  return step_scope(s) .. ',"attempt":' .. s.attempt .. ',"worker":"' .. s.worker .. '"'
end

-- Every event comes through here, and is counted by its type and agent.
local function append(t, kind, agent, scope, data, quiet)
  local seq = t.seq + 1
  t.seq = seq
  t.events[#t.events + 1] = '{"v":1,"seq":' .. seq .. ',"type":"' .. kind .. '","ts":' .. NOW_TEXT .. ',"task_id":"' .. t.id
    .. '"' .. scope .. (t.trace and ',"trace":"' .. t.trace .. '"' or '') .. ',"data":' .. data .. '}'
  t.loud = t.loud or not quiet
  told[#told + 1] = kind
  told[#told + 1] = agent
end

-- An event of the task.
local function emit(t, kind, data)
  append(t, kind, '', '', data)
end

-- An event of a step.
local function emit_step(t, kind, s, data)
  append(t, kind, s.agent, step_scope(s), data)
end

-- An event of the current attempt of a step. A transition of `quiet` events only is not told to the firehose.
local function emit_attempt(t, kind, s, data, quiet)
  append(t, kind, s.agent, attempt_scope(s), data, quiet)
end

-- A command that commit() runs behind the state and the events, in the order of the calls.
local function later(...)
  writes[#writes + 1] = {...}
end

local function hset(key, pairs_list)
  for i = 1, #pairs_list, ARGS_MAX do
    redis.call('HSET', key, unpack(pairs_list, i, math.min(i + ARGS_MAX - 1, #pairs_list)))
  end
end

local function encode(s)
  return s.state .. '|' .. s.dispatch .. '|' .. s.delivery .. '|' .. s.attempt .. '|' .. s.failures .. '|' .. s.crashes
    .. '|' .. s.deferrals .. '|' .. s.run .. '|' .. s.open .. '|' .. s.nonce .. '|' .. s.worker .. '|' .. s.queued
    .. '|' .. s.started .. '|' .. s.seen .. '|' .. s.reports .. '|' .. s.entry .. s.later_state
end

local function save(t)
  local fields = {}
  for name in pairs(t.changed) do
    fields[#fields + 1], fields[#fields + 2] = name, t[name]
  end
  for id, s in pairs(t.touched) do
    fields[#fields + 1], fields[#fields + 2] = 's:' .. id, encode(s)
  end
  local count = #t.events
  if count == 0 then
    hset(t.key, fields)
    return
  end
  -- The log first: the only command here that can meet a key of the wrong type, since the hash was read.
  local pushed = {}
  for i, body in ipairs(t.events) do
    local id = (t.seq - count + i) .. '-' .. RAND
    redis.call('XADD', t.log, id, 'e', body)
    pushed[i] = id .. ' ' .. body
  end
  fields[#fields + 1], fields[#fields + 2] = 'seq', t.seq
  hset(t.key, fields)
  -- A push is a hint: without the right to it (the channels of an ACL) all else must still be written.
  redis.pcall('SPUBLISH', t.log, table.concat(pushed, '\n'))
  if t.loud then
    redis.pcall('XADD', TAG .. ':fire', 'MAXLEN', '~', FIRE_MAXLEN, '*', 't', t.id, 's', t.seq - count + 1, 'n', count)
  end
end

-- Lists and counters are not worth a look each time: one that is damaged is told to the server's log, and stops nothing.
local function try(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    redis.log(redis.LOG_WARNING, command .. ' ' .. key .. ': ' .. reply.err)
  end
  return reply
end

-- Adds to a counter of the fleet, unless it is one too many: HINCRBY answers with the amount itself where a field is new.
local function tally(field, amount, fields_max)
  local key = TAG .. ':totals'
  local fits = try('HINCRBY', key, field, amount) ~= amount or redis.call('HLEN', key) <= fields_max
  if not fits then
    redis.call('HDEL', key, field)
  end
  return fits
end

-- Agents are as many as are registered, so it is for the worst case that the last ones are counted together, as `*`.
local function tally_kinds()
  local counts = {}
  for i = 1, #told, 2 do
    local field = told[i] .. ':' .. told[i + 1]
    counts[field] = (counts[field] or 0) + 1
  end
  for field, amount in pairs(counts) do
    if not tally(field, amount, TOTALS_MAX) then
      tally(string.match(field, '^[^:]*') .. ':*', amount, math.huge)
    end
  end
end

-- Each command costs some hundredths of an act, and most acts are alike: what a small one has written is one field.
local function tally_events()
  local together = #told <= 2 * TOGETHER_MAX
  if #told > 0 and not (together and tally(table.concat(told, ':'), 1, TOGETHER_FIELDS_MAX)) then
    tally_kinds()
  end
end

-- The reply to an attempt that is not the current one of its step: nothing is written but that it has happened.
local function fenced(s)
  tally('fenced', 1, TOTALS_MAX)
  return {'fenced', s and s.state or 'unknown'}
end

-- What a task needs (hash, log, queue, delays, gate) has been read or looked at by now, so it has the right type.
local function commit()
  for _, t in ipairs(opened) do
    save(t)
  end
  tally_events()
  for _, command in ipairs(writes) do
    try(unpack(command))
  end
end

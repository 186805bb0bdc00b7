#!lua flags=allow-oom
-- Looks at some open tasks for what no transition leaves behind, repairs it and counts it.
-- KEYS  see _task.lua
-- ARGV  6 shortest time between two rounds of the fleet, ms   7 most tasks looked at   8 grace ms   9 most crashes
-- RETURNS {looked at, repaired, 1 when the round is over else 0} | {'resting'}
-- WHY   The alarm, not the mechanism: `repaired` stays 0 unless something outside the scripts has touched the
--       keys. An entry counts as lost when it is neither due nor, by its age, still in its stream.

local SCAN_MAX = 1000
local place, lock = TAG .. ':audit', TAG .. ':audit:lock'
local grace = tonumber(ARGV[8])
local cursor = redis.call('HGET', place, 'cursor') or '0'
if cursor == '0' and not redis.call('SET', lock, 1, 'NX', 'PX', ARGV[6]) then
  return {'resting'}
end
local page = redis.call('ZSCAN', TAG .. ':open', cursor, 'COUNT', ARGV[7])
local looked, repaired, oldest = 0, 0, {}

local function oldest_ms(stream)
  if oldest[stream] == nil then
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    oldest[stream] = first and tonumber(string.match(first[1], '^%d+')) or false
  end
  return oldest[stream]
end

-- The age says so cheaply; only a suspect is looked for.
local function in_stream(t, s, level)
  local stream = stream_of(s.queue, level)
  local first_ms = oldest_ms(stream)
  if not first_ms then
    return false
  end
  if first_ms <= s.queued + grace then
    return true
  end
  local entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', SCAN_MAX)
  for _, entry in ipairs(entries) do
    if string.find(entry[2][#entry[2]], '"' .. t.id .. '"', 1, true) then
      return true
    end
  end
  return #entries == SCAN_MAX
end

local function lost(t, s)
  if NOW - s.queued < grace or redis.call('ZSCORE', TAG .. ':due:' .. s.queue, due_member(t, s)) then
    return false
  end
  return not in_stream(t, s, t.level) and not in_stream(t, s, '0')
end

local function repair(t, s)
  repaired = repaired + 1
  send(t, {s})
end

local function look_at(t, s)
  if s.state == 'queued' or s.state == 'retrying' or s.state == 'deferred' then
    if lost(t, s) then
      repair(t, s)
    end
  elseif s.state == 'running' and NOW - s.started > s.timeout + RUN_MARGIN_MS + grace then
    call_off(t, s)
    if crash(t, s, ARGV[9]) then
      repaired = repaired + 1
    else
      emit_attempt(t, 'step.released', s, '{"reason":"out of time"}')
      repair(t, s)
    end
  elseif s.state == 'waiting' and tonumber(s.open) <= 0 then
    repaired = repaired + 1
    dispatch(t, {s})
  elseif s.state == 'limited' and not redis.call('ZSCORE', gate_of(t).line_key, t.id .. ':' .. s.id) then
    repaired = repaired + 1
    dispatch(t, {s})
  end
end

for i = 1, #page[2], 2 do
  local t = open(page[2][i])
  looked = looked + 1
  if not t or TERMINAL[t.status] then
    repaired = repaired + 1
    later('ZREM', TAG .. ':open', page[2][i])
  elseif t.status ~= 'cancelling' then
    for _, s in ipairs(load_all(t)) do
      -- What this very call has moved is sound, though Redis does not show it yet.
      if not TERMINAL[t.status] and not t.touched[s.id] then
        look_at(t, s)
      end
    end
    if tonumber(t.left) <= 0 and not TERMINAL[t.status] then
      repaired = repaired + 1
      conclude(t)
    end
  end
end
if repaired > 0 then
  later('HINCRBY', place, 'repaired', repaired)
end
later('HSET', place, 'cursor', page[1])
commit()
return {looked, repaired, page[1] == '0' and 1 or 0}

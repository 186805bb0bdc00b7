-- Library: what a worker is given to run. Needs _task.lua, _send.lua and _flow.lua before it.
-- KEYS     none of its own
-- ARGV     none of its own
-- RETURNS  handed_over(t, s): the step that runs under the entry of this one; run(t, s): the reply with which it runs
--          may_go_on(t, s, child, queues): whether the worker of `s` may run `child` at once; go_on(t, s, child, nonce)
-- WHY      A chain of quick steps goes through one worker without an entry per step. The entry of the first step
--          stays pending until the last one is settled. When its worker dies it is delivered again, and leads
--          from one completed step to the next that names it as its entry, up to the one that was under way.

-- Most steps wait for one or two small results, which saves their worker a question.
local RESULTS_MAX, RESULTS_BYTES_MAX = 4, 262144

local function run(t, s)
  local deps = ids(s.deps)
  local names = {'in:' .. s.id, 'task', 'inputs', 'next', 'steps', 'deadline', 'output'}
  local first = #names
  for i = 1, #deps <= RESULTS_MAX and #deps or 0 do
    names[first + i] = 'r:' .. deps[i]
  end
  local v, results, bytes = redis.call('HMGET', t.key, unpack(names)), {}, 0
  for i = first + 1, #names do
    results[i - first] = v[i]
    bytes = bytes + (v[i] and #v[i] or 0)
  end
  return {'run', s.id, s.dispatch, s.attempt, token(s), s.failures, s.run, s.deps, s.children, v[4], v[5],
    math.max(0, s.started - s.queued), v[6] and math.max(0, v[6] - NOW) or '', v[1], v[2], v[3], v[7] or '',
    bytes <= RESULTS_BYTES_MAX and results or {}}
end

local function handed_over(t, s)
  local entry, at = s.id .. ':' .. s.dispatch, nil
  while s.state == 'completed' and s ~= at do
    at = s
    for _, child in ipairs(load(t, ids(at.children))) do
      if child.entry == entry then
        s = child
      end
    end
  end
  return s
end

-- Nobody is overtaken but by the quick: not what has a higher priority, nor what a pause or a gate holds back. The
-- entry's lease is renewed for as long as its own step may run, which must be enough for the next one.
local function may_go_on(t, s, child, queues)
  return t.status == 'running' and not t.gate and t.level ~= '2' and tonumber(child.timeout) <= tonumber(s.timeout)
    and string.find(queues, ' ' .. child.queue .. ' ', 1, true)
    and redis.call('SISMEMBER', TAG .. ':paused', child.queue) == 0
    and redis.call('EXISTS', TAG .. ':provider:' .. child.provider) == 0
    and (t.level == '0' or redis.call('XLEN', stream_of(child.queue, '0')) == 0)
end

local function go_on(t, s, child, nonce)
  child.entry = s.entry ~= '' and s.entry or s.id .. ':' .. s.dispatch
  child.dispatch, child.attempt, child.delivery, child.reports = child.dispatch + 1, child.attempt + 1, '1', '0'
  child.state, child.nonce, child.worker = 'running', nonce, s.worker
  child.queued, child.started, child.seen = NOW_TEXT, NOW_TEXT, NOW_TEXT
  touch(t, child)
  queued(t, child, t.id .. ':' .. child.id .. ':' .. child.dispatch, '')
  emit_attempt(t, 'step.started', child, '{"queue_wait_ms":0,"delivery":1}')
end

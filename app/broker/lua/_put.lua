-- Library: writes messages to their queues, at once or later. Needs _layout.lua before it.
-- KEYS     a caller passes six per queue, from KEYS[first_key] on:
--          streams high to low, due zset, bodies of the delayed, depth
-- ARGV     a caller passes, from ARGV[first_arg] on: wake channel, shared, how many queues, their names;
--          then, from ARGV[first_message] on, per message five:
--          place of its queue among them, from 0; level; delay in ms (0 = at once); due member; body
-- RETURNS  put_problem(...): an error reply: a key of the wrong type, a delay that is no number, or
--          QUEUEFULL for a queue that would hold more than `backlog_max` (nil: no limit); else nil and,
--          with a limit, how many more the fullest queue may take
--          put_all(...): nothing
-- WHY      enqueue and settle write messages in exactly the same way; a delay is counted on the
--          server's clock, so that no worker's clock matters. All is looked at before the first write:
--          a script that fails in the middle is not undone.

local KEYS_PER_QUEUE = 6
local ARGS_PER_MESSAGE = 5

local function server_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

-- How many messages a queue holds; a second value is the problem when a key has the wrong type.
local function held_by(key, queue, shared)
  local held = redis.pcall('ZCARD', KEYS[key + 3])
  for level = 0, 2 do
    local length = redis.pcall('XLEN', KEYS[key + level])
    if type(held) == 'table' or type(length) == 'table' then
      return 0, redis.error_reply('WRONGTYPE a key of the queue ' .. queue .. ' holds something else')
    end
    held = held + (shared == '1' and 0 or length)
  end
  return shared == '1' and held + (redis.call('HGET', KEYS[key + 5], queue) or 0) or held
end

local function put_problem(first_key, first_arg, first_message, backlog_max)
  local more = {}
  for arg = first_message, #ARGV, ARGS_PER_MESSAGE do
    local place = tonumber(ARGV[arg])
    if not (place and tonumber(ARGV[arg + 1]) and tonumber(ARGV[arg + 2])) then
      return redis.error_reply('ERR a place, a level or a delay is not a number')
    end
    more[place] = (more[place] or 0) + 1
  end
  local room = backlog_max
  for place = 0, ARGV[first_arg + 2] - 1 do
    local queue = ARGV[first_arg + 3 + place]
    local held, problem = held_by(first_key + place * KEYS_PER_QUEUE, queue, ARGV[first_arg + 1])
    if problem then
      return problem
    end
    held = held + (more[place] or 0)
    if backlog_max and held > backlog_max then
      return redis.error_reply('QUEUEFULL ' .. queue)
    end
    room = room and math.min(room, backlog_max - held)
  end
  return nil, room
end

local function put_all(first_key, first_arg, first_message, queues)
  local wake, shared, count = ARGV[first_arg], ARGV[first_arg + 1], tonumber(ARGV[first_arg + 2])
  if count > 0 then
    redis.call('SADD', queues, unpack(ARGV, first_arg + 3, first_arg + 2 + count))
  end
  local now_ms
  for arg = first_message, #ARGV, ARGS_PER_MESSAGE do
    local place, delay_ms = tonumber(ARGV[arg]), tonumber(ARGV[arg + 2])
    local key, queue = first_key + place * KEYS_PER_QUEUE, ARGV[first_arg + 3 + place]
    if delay_ms > 0 then
      local due, member = KEYS[key + 3], ARGV[arg + 3]
      now_ms = now_ms or server_ms()
      redis.call('HSET', KEYS[key + 4], member, ARGV[arg + 4])
      redis.call('ZADD', due, now_ms + delay_ms, member)
      -- Movers sleep until the first due time they know; only a new first one concerns them.
      if redis.call('ZRANK', due, member) == 0 then
        -- Protected: a user without this channel must not leave half of the messages unsent.
        redis.pcall('SPUBLISH', wake, queue)
      end
    else
      add(KEYS[key + ARGV[arg + 1]], KEYS[key + 5], queue, shared, ARGV[arg + 4])
    end
  end
end

-- Library: writes messages to their queues, at once or later.
-- KEYS     a caller passes two per message, from KEYS[first_key] on:
--          stream twice for a message that goes out at once, due zset and its bodies for a delayed one
-- ARGV     a caller passes four per message, from ARGV[first_arg] on:
--          queue, delay in ms (0 = at once), due member, body
-- RETURNS  put_problem(...): nil, or an error reply when a key has the wrong type or a delay is no number
--          put_all(...): nothing
-- WHY      enqueue and settle write messages in exactly the same way; a delay is counted on the
--          server's clock, so that no worker's clock matters.

local function server_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function put_problem(first_key, first_arg)
  for i = 0, (#ARGV - first_arg + 1) / 4 - 1 do
    local delay_ms = tonumber(ARGV[first_arg + i * 4 + 1])
    if not delay_ms then
      return redis.error_reply('ERR a delay is not a number')
    end
    local key = KEYS[first_key + i * 2]
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= (delay_ms > 0 and 'zset' or 'stream') then
      return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. kind)
    end
  end
  return nil
end

local function put_all(first_key, first_arg, queues, wake)
  local now_ms = server_ms()
  for i = 0, (#ARGV - first_arg + 1) / 4 - 1 do
    local target, bodies = KEYS[first_key + i * 2], KEYS[first_key + i * 2 + 1]
    local arg = first_arg + i * 4
    local queue, delay_ms, member, body = ARGV[arg], tonumber(ARGV[arg + 1]), ARGV[arg + 2], ARGV[arg + 3]
    redis.call('SADD', queues, queue)
    if delay_ms > 0 then
      redis.call('HSET', bodies, member, body)
      redis.call('ZADD', target, now_ms + delay_ms, member)
      -- Movers sleep until the first due time they know; only a new first one concerns them.
      if redis.call('ZRANK', target, member) == 0 then
        redis.call('SPUBLISH', wake, queue)
      end
    else
      redis.call('XADD', target, '*', 'm', body)
    end
  end
end

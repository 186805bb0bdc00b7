-- Library: the runs of an entry that began and did not end.
-- KEYS     a caller passes the hash
-- ARGV     a caller passes the field, `<level>|<entry id>`
-- RETURNS  unmark(...): nothing
-- WHY      One line per run, the newest last: taking back the newest is cutting the last line.

local function unmark(starts, field)
  local lines = redis.call('HGET', starts, field)
  local rest = lines and string.match(lines, '^(.*)\n')
  if rest then
    redis.call('HSET', starts, field, rest)
  elseif lines then
    redis.call('HDEL', starts, field)
  end
end

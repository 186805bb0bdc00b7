-- Library: how an entry lies in its stream.
-- KEYS     none of its own; a caller passes stream and depth
-- ARGV     none of its own; `queue` is the queue's name, `shared` is '1' when its streams hold all queues
-- RETURNS  add(...): nothing; remove(...): how many entries went
--          foreign(...): whether an entry's fields name another queue
-- WHY      A stream of one queue has a length and needs no names. In shared streams each entry names its
--          queue, and a counter per queue stands in for the length.

local function add(stream, depth, queue, shared, body)
  if shared ~= '1' then
    redis.call('XADD', stream, '*', 'm', body)
    return
  end
  redis.call('XADD', stream, '*', 'q', queue, 'm', body)
  redis.call('HINCRBY', depth, queue, 1)
end

local function remove(stream, depth, queue, shared, ids)
  local gone = redis.call('XDEL', stream, unpack(ids))
  if shared == '1' and gone > 0 then
    redis.call('HINCRBY', depth, queue, -gone)
  end
  return gone
end

local function foreign(fields, queue, shared)
  if shared ~= '1' then
    return false
  end
  for i = 1, #fields, 2 do
    if fields[i] == 'q' then
      return fields[i + 1] ~= queue
    end
  end
  return true
end

-- Library: who owns a pending entry.
-- KEYS     none of its own; a caller passes the stream
-- ARGV     none of its own; a caller passes group, consumer and entry id
-- RETURNS  owns(...): the delivery count while `consumer` owns the entry, else nil
-- WHY      XACK and XCLAIM never ask who the owner is, so a worker that was frozen while its lease ran
--          out could acknowledge, or steal back, what another one is running by now.

local function owns(stream, group, consumer, id)
  -- pcall: a group that has vanished owns nothing.
  local found = redis.pcall('XPENDING', stream, group, id, id, 1)
  if found.err or not found[1] or found[1][2] ~= consumer then
    return nil
  end
  return found[1][4]
end

#!lua flags=allow-oom
-- Takes back the mark of a run that ended without a decision; the entry stays pending.
--
-- KEYS[1]   stream
-- KEYS[2]   starts            hash of begun and unfinished runs
-- ARGV[1]   group
-- ARGV[2]   consumer
-- ARGV[3]   entry id
-- ARGV[4]   field of the entry in `starts`
-- RETURNS   1 when done, 0 when the entry is not (any more) ours
-- WHY       The process lived: only deaths count towards a burial.

if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
unmark(KEYS[2], ARGV[4])
return 1

#!lua
-- Accepts a task: its state, its first events and its first entries, in one act.
-- KEYS  see _task.lua
-- ARGV  see _accept.lua
-- RETURNS {'ok'} | {'busy', what there is too much of} | {'replayed', task id} | {'conflict', task id}
--         | {'late'}: the deadline lies before the start | {'gone'}: its documents are not here
-- WHY   No allow-oom: a full Redis refuses new tasks so that accepted ones can finish.

return accept()

#!lua flags=no-writes,allow-oom
-- Which of a worker's attempts are still wanted.
-- KEYS  see _task.lua
-- ARGV  6... per attempt three: task, step, token
-- RETURNS the positions, from 1, of those that are not
-- WHY   The net under the push that tells a worker to stop: one call for all attempts of a process.

local gone = {}
for i = 6, #ARGV, 3 do
  local t = open(ARGV[i], ARGV[i + 1])
  local s = t and (t.step[ARGV[i + 1]] or load(t, {ARGV[i + 1]})[1])
  if not s or s.state ~= 'running' or token(s) ~= ARGV[i + 2] or t.status == 'cancelling' then
    gone[#gone + 1] = (i - 3) / 3
  end
end
return gone

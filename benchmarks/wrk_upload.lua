-- Sends a picture no one has sent before in every request: wrk -s wrk_upload.lua URL -- FOLDER FIRST
-- FOLDER holds each request in three pieces (N.a, N.b, N.c) and the lowest table entries (N.low); see load.py.
-- FIRST is the number of the first picture. One wrk thread only: threads would count alike.

local ENTRIES, VALUES = 10, 7
local heads, middles, tails, lowest = {}, {}, {}, {}
local number

local function read(name)
  local file = io.open(name, "rb")
  if not file then return nil end
  local content = file:read("*a")
  file:close()
  return content
end

function init(args)
  local folder = args[1]
  number = tonumber(args[2])
  local index = 0
  while true do
    local head = read(folder .. "/" .. index .. ".a")
    if not head then break end
    heads[index] = head
    middles[index] = read(folder .. "/" .. index .. ".b")
    tails[index] = read(folder .. "/" .. index .. ".c")
    lowest[index] = { read(folder .. "/" .. index .. ".low"):byte(1, ENTRIES) }
    index = index + 1
  end
end

function request()
  number = number + 1
  local which = number % (#heads + 1)
  local low, rest, entries = lowest[which], number, {}
  for place = 1, ENTRIES do
    entries[place] = low[place] + rest % VALUES
    rest = math.floor(rest / VALUES)
  end
  return heads[which] .. string.format("%012d", number) .. middles[which]
    .. string.char(unpack(entries)) .. tails[which]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f,'
      .. ' "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end

-- Sends a picture no one has sent before in every request: wrk -s wrk_upload.lua URL -- FOLDER FIRST
-- FOLDER holds each request in three pieces (N.a, N.b, N.c) and the lowest table entries (N.low); see load.py.
-- FIRST is the number of the first picture. One wrk thread only: threads would count alike.

local ffi = require("ffi")

local DIGITS, ENTRIES, VALUES = 12, 10, 7
local requests = {}
local count, number = 0

local function read(name)
  local file = io.open(name, "rb")
  if not file then return nil end
  local content = file:read("*a")
  file:close()
  return content
end

-- Each request is one string of Lua's, numbered in place, which Lua does not expect of strings and need not know: wrk
-- copies what it is given. A new string for each took nearly twice as long, with 28 page faults a request instead of 5.
function init(args)
  local folder = args[1]
  number = tonumber(args[2])
  while true do
    local piece = folder .. "/" .. count
    local head = read(piece .. ".a")
    if not head then break end
    local middle, lowest = read(piece .. ".b"), read(piece .. ".low")
    local whole = head .. string.rep("0", DIGITS) .. middle .. lowest .. read(piece .. ".c")
    local bytes = ffi.cast("uint8_t *", whole)
    requests[count] = {
      whole = whole,
      digits = bytes + #head,
      entries = bytes + #head + DIGITS + #middle,
      lowest = { lowest:byte(1, ENTRIES) },
    }
    count = count + 1
  end
end

function request()
  number = number + 1
  local this, rest = requests[number % count], number
  ffi.copy(this.digits, string.format("%012d", number), DIGITS)
  for place = 1, ENTRIES do
    this.entries[place - 1] = this.lowest[place] + rest % VALUES
    rest = math.floor(rest / VALUES)
  end
  return this.whole
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f,'
      .. ' "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end

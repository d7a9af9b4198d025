-- A random token for each request, from the first COUNT lines of the file TOKENS. All lines have
-- the same length.
local file = assert(io.open(os.getenv("TOKENS")))
local count, width = tonumber(os.getenv("COUNT")), #file:read("*l") + 1
local head = "GET " .. os.getenv("TARGET") .. " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
math.randomseed(1)
request = function()
  file:seek("set", math.random(0, count - 1) * width)
  return head .. file:read("*l") .. "\r\n\r\n"
end

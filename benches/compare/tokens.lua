-- Another token for each request.
local tokens, next_one = {}, 0
for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = "Bearer " .. line end
request = function()
  next_one = next_one % #tokens + 1
  return wrk.format("GET", nil, { ["Authorization"] = tokens[next_one] })
end

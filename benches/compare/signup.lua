-- Updates the consent of an existing profile: another one for each request, because sign-ups
-- with the same address wait for each other.
local next_one = 0
wrk.headers["Content-Type"] = "application/json"
request = function()
  next_one = next_one + 1
  local body = '{"email":"person-%d@example.com","attributes":{"comms":{"email_promo":true}}}'
  return wrk.format("POST", nil, nil, body:format(next_one))
end

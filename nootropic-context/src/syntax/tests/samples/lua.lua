local store = require("store")

--- Keeps sessions.
local M = {}
M.limit = 16

-- Opens one.
function M.open(id)
  return store.fetch(id)
end

function M:close()
  self.pool:release(self)
end

local function helper(x)
  return x + 1
end

M.label = function(s)
  return helper(s.name)
end

local shout = function(s) return s:upper() end

function global() end

return M

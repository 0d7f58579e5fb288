-- What the operator says about the generation that is there; of an older one it says nothing about this one.
local health = { status = "Progressing", message = "Waits for the operator" }

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end

local condition = {}
for _, each in ipairs(obj.status.conditions or {}) do
  condition[each.type] = each
end
local ready = condition.Ready
if ready == nil then
  return health
end

health.message = ready.message
if condition.Stalled ~= nil and condition.Stalled.status == "True" then
  -- Nothing happens until somebody changes or accepts something.
  health.status = "Degraded"
elseif obj.spec.suspend == true then
  health.status = "Suspended"
elseif condition.Reconciling ~= nil and condition.Reconciling.status == "True" then
  health.status = "Progressing"
elseif ready.status == "True" then
  health.status = "Healthy"
elseif ready.status == "False" then
  health.status = "Degraded"
end
return health

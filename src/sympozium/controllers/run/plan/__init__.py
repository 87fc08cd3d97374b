"""The manifests of a run, from the run and all that it refers to. Pure, and golden-tested.

    inputs    what a plan depends on
    names     the names of what a run owns: functions of the run, so that a second try meets the first
    files     agent.json and tools.json
    pod       the Job and its pod
    rights    ServiceAccounts, roles and bindings
    network   the NetworkPolicy

The policy is asked again here (`admit`), since it may have become stricter while the run was queued. The Secrets
are not part of a plan: `identity` makes them, when everything that refers to them is known.
"""

from sympozium.api.images import Images
from sympozium.controllers.run.plan.inputs import ApiServer, Inputs, Plan, PlanError
from sympozium.controllers.run.plan.make import manifests, plan

__all__ = ["ApiServer", "Images", "Inputs", "Plan", "PlanError", "manifests", "plan"]

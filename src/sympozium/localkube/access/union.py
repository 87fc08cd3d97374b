"""All authorizers as one: the first that allows decides.

`system:masters` is allowed before any role is looked at, as on a kube-apiserver: it is how a cluster whose
roles were broken is repaired.
"""

from sympozium.localkube.types import Attributes, Authorizer, Decision

MASTERS = "system:masters"
SUPERUSER = Decision(True)


class Union:
    """Implements `types.Authorizer`."""

    def __init__(self, *authorizers: Authorizer) -> None:
        self._authorizers = authorizers

    def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return SUPERUSER
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, ", ".join(reasons))

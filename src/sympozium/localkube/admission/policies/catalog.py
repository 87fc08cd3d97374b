"""All policies of one kind with their bindings, parsed again after a change.

With no policy a request costs one look at an empty list.
"""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.policies.policy import Binding, Policy
from sympozium.localkube.admission.webhooks.matching import GROUP
from sympozium.localkube.types import Object


class Catalog:
    def __init__(self, objects: Objects, prefix: str) -> None:
        """`prefix` is validating or mutating."""
        self._objects = objects
        self._resources = f"{prefix}admissionpolicies", f"{prefix}admissionpolicybindings"
        self._mutating = prefix == "mutating"
        self._parsed: list[Policy] | None = None
        for resource in self._resources:
            objects.subscribe(GROUP, resource, self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        del new, old
        self._parsed = None

    def policies(self) -> list[Policy]:
        """Those that have a binding, by name: one without is not in force."""
        if self._parsed is None:
            self._parsed = self._parse()
        return self._parsed

    def _parse(self) -> list[Policy]:
        bound: dict[str, list[Binding]] = {}
        for stored in sorted(self._objects.list(GROUP, self._resources[1]), key=_name):
            bound.setdefault(stored["spec"]["policyName"], []).append(Binding(stored))
        stored_policies = sorted(self._objects.list(GROUP, self._resources[0]), key=_name)
        return [
            Policy(stored, bound[_name(stored)], mutating=self._mutating)
            for stored in stored_policies
            if _name(stored) in bound
        ]


def _name(stored: Object) -> str:
    return str(stored["metadata"]["name"])

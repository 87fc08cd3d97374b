"""Writes the rules of aggregated ClusterRoles into them, for those who read them.

The authorizer does not wait for this: it puts them together itself.
"""

from collections import Counter

from sympozium.localkube.access.labels import matches
from sympozium.localkube.access.rbac import GROUP
from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.types import Object

NAME = "clusterrole-aggregation-controller"


class Aggregation:
    """Any change of a ClusterRole looks at all that have an aggregationRule."""

    def __init__(self, client: Client, roles: Informer, counts: Counter[tuple[str, str]]) -> None:
        self._client = client
        self._roles = roles
        self.controller: Controller[str] = Controller(NAME, self.sync, counts)
        roles.on_change(self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        del new, old
        for (_, name), role in self._roles.items.items():
            if role.get("aggregationRule"):
                self.controller.queue.add(name)

    async def sync(self, name: str) -> float | None:
        role = self._roles.get("", name)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = combined(role, list(self._roles.items.values()))
        if rules != (role.get("rules") or []):
            patch = {"metadata": {"resourceVersion": role["metadata"]["resourceVersion"]}, "rules": rules}
            path = path_of(f"{GROUP}/v1", "clusterroles", "", name)
            self._roles.observe(await self._client.merge(path, patch))
        return None


def combined(role: Object, roles: list[Object]) -> list[Object]:
    """The rules of all that the aggregationRule selects, each once, in the order of names."""
    selectors = role["aggregationRule"].get("clusterRoleSelectors") or ()
    rules: list[Object] = []
    for other in sorted(roles, key=lambda obj: str(obj["metadata"]["name"])):
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        labels = other["metadata"].get("labels") or {}
        if any(matches(selector, labels) for selector in selectors):
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules

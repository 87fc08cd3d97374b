"""Which objects of a kind a caller sees: those that they may list, from the copies."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sympozium.kube.resources import Object, key_of
from sympozium.server.access import Attributes, Caller
from sympozium.server.copies import INSTANCES, RUNS
from sympozium.server.models.runs import RunSummary
from sympozium.server.parts import Parts
from sympozium.server.runs.scope import Scope, scope

Key = tuple[str, str]


@dataclass(slots=True)
class Sight:
    """The eyes of one request. `namespace` None is all that the caller may see."""

    caller: Caller
    parts: Parts
    namespace: str | None
    _scopes: dict[str, Scope] = field(default_factory=dict)

    async def of(self, plural: str) -> list[Object]:
        """What the request is about. Raises Problem 403 without the right to list it in the namespace that was named."""
        seen = await self._scope(plural, self.namespace)
        return [obj for obj in self._all(plural) if seen.has(obj["metadata"]["namespace"])]

    async def partial(self, plural: str) -> bool:
        """Whether objects may have been left out for want of a right."""
        return self.namespace is None and (await self._scope(plural, None)).partial

    async def beside(self, plural: str) -> list[Object]:
        """What is shown beside it, of any namespace: only what the caller may list."""
        seen = await self._scope(plural, None)
        return [obj for obj in self._all(plural) if seen.has(obj["metadata"]["namespace"])]

    async def beside_by_key(self, plural: str) -> dict[Key, Object]:
        return {key_of(obj): obj for obj in await self.beside(plural)}

    async def last_runs(self) -> dict[Key, Object]:
        """The newest run of each instance, by the instance."""
        newest: dict[Key, Object] = {}
        for run in await self.beside(RUNS):
            key = (run["metadata"]["namespace"], run["spec"]["instanceRef"])
            known = newest.get(key)
            if known is None or _age(known) < _age(run):
                newest[key] = run
        return newest

    async def instances(self) -> dict[Key, Object]:
        return await self.beside_by_key(INSTANCES)

    def summary(self, run: Object | None) -> RunSummary | None:
        return self.parts.listing.show(run) if run else None

    async def may(
        self, verb: str, plural: str, namespace: str, name: str = "", subresource: str = ""
    ) -> bool:
        return await self.caller.may(Attributes(verb, plural, namespace, name, subresource))

    def _all(self, plural: str) -> Iterable[Object]:
        return self.parts.copies[plural].list()

    async def _scope(self, plural: str, namespace: str | None) -> Scope:
        key = f"{plural} {namespace}"
        if key not in self._scopes:
            self._scopes[key] = await scope(
                self.caller, namespace, lambda: self._present(plural), resource=plural
            )
        return self._scopes[key]

    async def _present(self, plural: str) -> set[str]:
        return {obj["metadata"]["namespace"] for obj in self._all(plural)}


def _age(run: Object) -> tuple[str, str]:
    return run["metadata"]["creationTimestamp"], run["metadata"]["name"]

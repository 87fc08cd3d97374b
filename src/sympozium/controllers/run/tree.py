"""Which run is beneath which, and who waits for whom, from the objects alone."""

from collections.abc import Callable, Iterable
from typing import Protocol

from sympozium.api.base import Object
from sympozium.controllers.run.children import awaited_by
from sympozium.controllers.run.queue import Key, Member, Waiting
from sympozium.kube.resources import key_of


class Runs(Protocol):
    """All runs, also those that have ended: a run may be beneath one of them."""

    def get(self, namespace: str, name: str) -> Object | None: ...


class Tree:
    """Over the runs that go on. `has_pod` tells those that have started."""

    def __init__(self, living: Iterable[Object], runs: Runs, has_pod: Callable[[Key], bool]) -> None:
        self._runs = runs
        self._known: dict[Key, tuple[Key, ...]] = {}
        self._awaited: set[Key] = set()
        self._waits: set[Key] = set()
        by_key = {key_of(run): run for run in living}
        for key, run in by_key.items():
            by = awaited_by(run)
            parent = by_key.get((key[0], by[0])) if by else None
            if by and parent and parent["metadata"].get("uid") == by[1] and has_pod(key_of(parent)):
                self._awaited.add(key)
                self._waits.add(key_of(parent))

    def member(self, run: Object) -> Member:
        key = key_of(run)
        return Member(instance_of(run), self._above(run), key in self._awaited, key in self._waits)

    def waiting(self, run: Object) -> Waiting:
        key = key_of(run)
        return Waiting(
            instance_of(run), self._above(run), key in self._awaited, key in self._waits,
            key=key, created=run["metadata"]["creationTimestamp"], suspended=bool(run["spec"].get("suspend")),
        )  # fmt: skip

    def _above(self, run: Object) -> tuple[Key, ...]:
        """The runs above, the nearest first, as far as they are still there."""
        key = key_of(run)
        if key not in self._known:
            found: list[Key] = []
            at: Object | None = run
            while at is not None and (parent := at["spec"].get("parent")):
                above = (key[0], parent["runName"])
                at = self._runs.get(*above)
                if at is None or above in found or above == key:
                    break  # gone, or a name that was given again to a run beneath itself
                found.append(above)
            self._known[key] = tuple(found)
        return self._known[key]


def instance_of(run: Object) -> Key:
    return run["metadata"]["namespace"], run["spec"]["instanceRef"]

"""Copies of all objects of our kinds, kept by watches as the server itself.

What is answered from them is answered only after an access review made as the caller. Objects belong to the copy:
nobody may change them. Handlers run on the loop at each change and must be quick.

Of each object only `managedFields` and kubectl's last-applied annotation are left out: both repeat what is there.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sympozium.api.config import NAME as CONFIG_NAME
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, Informer
from sympozium.kube.informer import Handler, Index, report
from sympozium.kube.resources import Object
from sympozium.resources import OF_PLURAL
from sympozium.server.models.runs import RunSummary
from sympozium.server.runs.prices import Prices
from sympozium.server.runs.summary import summary

RUNS: Final = "agentruns"
INSTANCES: Final = "sympoziuminstances"
APPROVALS: Final = "approvalrequests"
CONFIGS: Final = "sympoziumconfigs"
RESOURCES: Final = OF_PLURAL
AGENT_RUN: Final = RESOURCES[RUNS]
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_WAITING: Final = "waiting"
BY_TRIGGER: Final = "trigger"
TRIGGERS: Final = "sympoziumtriggers"


class Copies:
    """One informer for each kind, by plural: `copies["agentruns"]`."""

    def __init__(self, client: Client) -> None:
        self._informers = {
            plural: Informer(
                client,
                resource,
                transform=lean,
                indexers=_INDEXES.get(plural),
            )
            for plural, resource in RESOURCES.items()
        }
        self._prices: tuple[Object | None, Prices] = (None, Prices())
        self._listeners: dict[str, dict[Handler, None]] = {plural: {} for plural in RESOURCES}
        for plural, informer in self._informers.items():
            informer.add_handler(self._teller(self._listeners[plural]))

    def __getitem__(self, plural: str) -> Informer:
        return self._informers[plural]

    def __contains__(self, plural: object) -> bool:
        return plural in self._informers

    def __iter__(self) -> Iterator[str]:
        return iter(self._informers)

    def on_change(self, plural: str, handler: Handler) -> None:
        """Hear of (old, new) from now on, and of what there is as added. For the life of the process."""
        self._informers[plural].add_handler(handler)

    def listen(self, plural: str, handler: Handler) -> Callable[[], None]:
        """Hear of changes from now on, until the function that is returned is called."""
        listeners = self._listeners[plural]
        listeners[handler] = None
        return lambda: listeners.pop(handler, None)

    @staticmethod
    def _teller(listeners: Iterable[Handler]) -> Handler:
        def tell(old: Object | None, new: Object | None) -> None:
            for listener in list(listeners):
                listener(old, new)

        return tell

    def unready(self) -> list[str]:
        """Kinds that were not read yet."""
        return [
            f"{plural} not read yet"
            for plural, informer in self._informers.items()
            if not informer.has_synced
        ]

    async def wait_synced(self) -> None:
        for informer in self._informers.values():
            await informer.wait_synced()

    async def run(self) -> None:
        """Follow all kinds until cancelled."""
        report(list(self._informers.values()))
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    def summary(self, run: Object) -> RunSummary:
        """With what the instance and the approvals of the run say about it, and its cost."""
        instance = self[INSTANCES].get(run["metadata"]["namespace"], run["spec"]["instanceRef"])
        found = summary(
            run,
            display_name=instance["spec"].get("displayName") if instance else None,
            waiting_approval=self.waiting_approval(run),
        )
        found.cost = self.prices.cost(found.model, found.input_tokens, found.output_tokens)
        return found

    @property
    def config(self) -> Object | None:
        """SympoziumConfig `default`."""
        return self[CONFIGS].get(SYSTEM_NAMESPACE, CONFIG_NAME)

    @property
    def prices(self) -> Prices:
        """Today's."""
        config = self.config
        if self._prices[0] is not config:
            self._prices = (config, Prices.of(config))
        return self._prices[1]

    def waiting_approval(self, run: Object) -> str | None:
        """The name of the request that a run waits for."""
        metadata = run["metadata"]
        waiting = self[APPROVALS].by_index(_WAITING, f"{metadata['namespace']}/{metadata['name']}")
        return waiting[0]["metadata"]["name"] if waiting else None


def _trigger(run: Object) -> Iterable[str]:
    trigger = run["spec"].get("trigger") or {}
    if trigger.get("kind") == "Trigger" and trigger.get("name"):
        yield f"{run['metadata']['namespace']}/{trigger['name']}"


def lean(obj: Object) -> Object:
    """What is kept of an object."""
    metadata = obj["metadata"]
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if annotations and _APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _APPLIED}
    return obj


def _waiting_run(approval: Object) -> Iterable[str]:
    """The run of a request that nobody has decided."""
    if not (approval.get("status") or {}).get("decision"):
        yield f"{approval['metadata']['namespace']}/{approval['spec']['runRef']}"


_INDEXES: Final[dict[str, dict[str, Index]]] = {
    APPROVALS: {_WAITING: _waiting_run},
    RUNS: {BY_TRIGGER: _trigger},
}

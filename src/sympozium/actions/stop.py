"""Hold runs where they are, and let them go on.

A run is stopped by `spec.suspend`, the installation by `spec.suspend` of its SympoziumConfig, which holds what goes on and
what would start; nothing else is written, so that resuming the installation leaves alone what somebody stopped by name. A run
is frozen when its tool server has said so, never before.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sympozium.actions.errors import MissingError, UsageError
from sympozium.actions.runs import has_ended
from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, KubeError, NotFoundError
from sympozium.kube.conditions import find
from sympozium.kube.resources import JOBS, Object, key_of
from sympozium.resources import CONFIGS, RUNS

_AT_ONCE: Final = 16
_AGAIN: Final = 0.2
Key = tuple[str, str]
"""(namespace, name)"""


@dataclass(frozen=True, slots=True)
class Which:
    """Runs by name, by label, or the whole installation. `namespace` None is all; names need one."""

    namespace: str | None
    names: Sequence[str] = ()
    selector: str | None = None
    everything: bool = False

    def check(self) -> None:
        """Raises UsageError unless exactly one way was chosen."""
        if (bool(self.names), self.selector is not None, self.everything).count(True) != 1:
            raise UsageError("name runs, or labels, or all: one of the three")
        if self.selector is not None and not self.selector.strip():
            raise UsageError("labels: an empty selector would mean every run; name labels, or stop all")
        if self.names and self.namespace is None:
            raise UsageError("names of runs are names in a namespace: say which")

    @property
    def searched(self) -> str | None:
        """The namespace in which runs are looked for; None for all."""
        return None if self.everything else self.namespace


@dataclass(slots=True)
class Outcome:
    """`runs` as they were last seen; `failed` has what could not be written, in words."""

    runs: dict[Key, Object] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    own: list[Key] = field(default_factory=list)
    """Runs that stay as they are when the installation is resumed: somebody stopped them by name."""
    blind: str = ""
    """Why the runs could not be watched."""
    refused: str = ""
    """Why the installation is not stopped, where runs could still be ended."""
    milliseconds: int = 0

    def late(self, done: Callable[[Object], bool]) -> dict[Key, Object]:
        """The runs of which it is not known."""
        return {key: run for key, run in self.runs.items() if not done(run)}


async def stop(
    client: Client,
    which: Which,
    *,
    kill: bool = False,
    seconds: float,
    told: Callable[[str], None] = lambda _refused: None,
) -> Outcome:
    """Freeze the runs, or end them, and wait for their word; `stands` or `has_ended` says which have given it.

    `told` hears, before the wait, that the installation is stopped, or else why it is not: with `kill` there is still
    something that can be done. Raises UsageError, MissingError, KubeError.
    """
    which.check()
    began = time.monotonic()
    refused = ""
    if which.everything:
        try:
            await set_installation(client, stopped=True)
        except KubeError as error:
            if not kill:
                raise
            refused = str(error)
        told(refused)
    order = {"cancel": True} if kill else {"suspend": True}
    outcome = await _order(client, which, order, write=kill or not which.everything)
    outcome.refused = refused
    if kill:
        await _stop_jobs(client, outcome)
    await _wait(client, which, outcome, has_ended if kill else stands, seconds)
    outcome.milliseconds = int((time.monotonic() - began) * 1000)
    return outcome


async def resume(
    client: Client, which: Which, *, seconds: float, told: Callable[[], None] = lambda: None
) -> Outcome:
    """Let the runs go on; `goes_on` says which do. Raises as `stop` does.

    `told` hears, before the wait, that the installation was stopped and is no more.
    """
    which.check()
    began = time.monotonic()
    if which.everything and await set_installation(client, stopped=False):
        told()
    outcome = await _order(client, which, {"suspend": False}, write=not which.everything)
    outcome.own = [key for key, run in outcome.runs.items() if run["spec"].get("suspend")]
    for key in outcome.own:
        del outcome.runs[key]
    await _wait(client, which, outcome, goes_on, seconds)
    outcome.milliseconds = int((time.monotonic() - began) * 1000)
    return outcome


async def set_installation(client: Client, *, stopped: bool) -> bool:
    """Stop or resume all, in one write. False where nothing says that it is stopped."""
    body = {"spec": {"suspend": True if stopped else None}}
    try:
        await client.patch(CONFIGS, CONFIG, SYSTEM_NAMESPACE, body)
    except NotFoundError:
        if not stopped:
            return False
        made = {"apiVersion": CONFIGS.api_version, "kind": CONFIGS.kind,
                "metadata": {"name": CONFIG, "namespace": SYSTEM_NAMESPACE}, **body}  # fmt: skip
        await client.create(CONFIGS, made, SYSTEM_NAMESPACE)
    return True


async def is_stopped(client: Client) -> bool:
    """Whether the installation is."""
    found = await client.find(CONFIGS, CONFIG, SYSTEM_NAMESPACE)
    return bool(found and found["spec"].get("suspend"))


async def _order(client: Client, which: Which, spec: Object, *, write: bool) -> Outcome:
    """Find the runs that have not ended, and write the order into each."""
    outcome = Outcome()
    found = await client.list(RUNS, which.searched, labels=which.selector or "")
    if which.names:
        found = [run for run in found if run["metadata"]["name"] in which.names]
        if missing := set(which.names) - {run["metadata"]["name"] for run in found}:
            raise MissingError(
                f"no agentrun {', '.join(sorted(missing))} in namespace {which.namespace}; nothing was changed"
            )
    outcome.runs = {key_of(run): run for run in found if not has_ended(run)}
    if write:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(key: Key) -> None:
            async with gate:
                try:
                    outcome.runs[key] = await client.patch(RUNS, key[1], key[0], {"spec": spec})
                except NotFoundError:
                    del outcome.runs[key]
                except KubeError as error:
                    outcome.failed[key] = str(error)

        await asyncio.gather(*(one(key) for key in list(outcome.runs)))
    return outcome


async def _stop_jobs(client: Client, outcome: Outcome) -> None:
    """End the pods ourselves: a kill must not wait for a controller."""
    for key, run in outcome.runs.items():
        if job := (run.get("status") or {}).get("jobName"):
            try:
                await client.patch(JOBS, job, key[0], {"spec": {"suspend": True}})
            except NotFoundError:
                continue
            except KubeError as error:
                outcome.failed[key] = f"Job {job}: {error}"


async def _wait(
    client: Client, which: Which, outcome: Outcome, done: Callable[[Object], bool], seconds: float
) -> None:
    """Follow the runs until all are done, or the time is over."""
    waits = {key for key, run in outcome.runs.items() if not done(run) and key not in outcome.failed}

    def take(run: Object, *, gone: bool = False) -> None:
        key = key_of(run)
        if key in outcome.runs:
            outcome.runs[key] = run
            if gone or done(run):
                waits.discard(key)

    try:
        async with asyncio.timeout(seconds):
            while waits:
                try:
                    found, version = await client.list_at(RUNS, which.searched)
                    waits &= {key_of(run) for run in found}
                    for run in found:
                        take(run)
                    query = {"resourceVersion": version, "timeoutSeconds": "300"}
                    async with client.watch(RUNS, which.searched, query=query, idle=330) as events:
                        while waits:
                            event = await anext(events)
                            take(event["object"], gone=event["type"] == "DELETED")
                except StopAsyncIteration:
                    continue
                except KubeError as error:
                    outcome.blind = str(error)
                    await asyncio.sleep(_AGAIN)
    except TimeoutError:
        return
    outcome.blind = ""


def stands(run: Object) -> bool:
    """Nothing begins in it: frozen by its own tool server's word, not started, or ended."""
    return has_ended(run) or _held_in_queue(run) or is_frozen(run)


def goes_on(run: Object) -> bool:
    frozen = _frozen(run)
    return has_ended(run) or not (_held_in_queue(run) or (frozen is not None and frozen["status"] != "False"))


def is_frozen(run: Object) -> bool:
    found = _frozen(run)
    return found is not None and found["status"] == "True"


def message_of(run: Object) -> str:
    """What is known of its being frozen, in words; empty where nothing is."""
    found = _frozen(run)
    return str(found["message"]) if found else ""


def in_flight(run: Object) -> str:
    """The call that was on its way when the run froze; empty where none was."""
    _, found, call = message_of(run).rpartition("in flight: ")
    return call if found and is_frozen(run) else ""


def _held_in_queue(run: Object) -> bool:
    status = run.get("status") or {}
    return status.get("phase") == "Queued" and status.get("reason") == "Suspended"


def _frozen(run: Object) -> Object | None:
    return find((run.get("status") or {}).get("conditions"), "Frozen")

"""`sympozium stop` and `resume`: hold runs where they are, and let them go on.

A run is stopped by `spec.suspend`, the installation by `spec.suspend` of its SympoziumConfig, which holds what goes on and
what would start; nothing else is written, so that `resume --all` leaves alone what somebody stopped by name. We say a run
is frozen when its tool server has said so, never before.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.cli.failures import EXIT_ERROR, EXIT_USAGE, CommandError, one_line
from sympozium.cli.output import plain, say
from sympozium.cli.runs import AGENT_RUN, TERMINAL
from sympozium.cli.session import Session
from sympozium.kube import KubeError, NotFoundError, Resource
from sympozium.kube.conditions import find
from sympozium.kube.resources import JOBS

CONFIGS: Final = Resource("sympozium.ai", "v1alpha1", "sympoziumconfigs", "SympoziumConfig")
_AT_ONCE: Final = 16
Object = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Which:
    """Runs by name, by label, or the whole installation."""

    names: Sequence[str] = ()
    selector: str | None = None
    everything: bool = False
    everywhere: bool = False

    def check(self) -> None:
        """Raises CommandError unless exactly one way was chosen."""
        if (bool(self.names), self.selector is not None, self.everything).count(True) != 1:
            raise CommandError("name runs, or --selector LABELS, or --all: one of the three", EXIT_USAGE)
        if self.everywhere and self.selector is None:
            raise CommandError("-A goes with --selector", EXIT_USAGE)


@dataclass(slots=True)
class _Outcome:
    """`runs` as they were last seen; `failed` has what could not be written, in words."""

    runs: dict[Key, Object] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    blind: str = ""
    """Why the runs could not be watched."""


async def stop(session: Session, which: Which, *, kill: bool, seconds: float) -> int:
    """Returns the exit code: 0 when every run is known to stand still."""
    which.check()
    began = time.monotonic()
    refused = ""
    if which.everything:
        try:
            await _installation(session, suspend=True)
        except KubeError as error:
            # With --kill there is still something that we can do ourselves.
            if not kill:
                raise
            refused = one_line(str(error))
            say(f"the installation is NOT stopped, runs may start: {refused}")
    outcome = await _order(
        session, which, {"cancel": True} if kill else {"suspend": True}, write=kill or not which.everything
    )
    if kill:
        await _stop_jobs(session, outcome)
    stands = _ended if kill else _stands
    await _wait(session, which, outcome, stands, seconds)
    took = int((time.monotonic() - began) * 1000)
    code = _report_stop(outcome, stands, took, seconds, kill=kill)
    return EXIT_ERROR if refused else code


async def resume(session: Session, which: Which, *, seconds: float) -> int:
    """Returns the exit code: 0 when every run is known to go on."""
    which.check()
    began = time.monotonic()
    if which.everything:
        await _installation(session, suspend=False)
    outcome = await _order(session, which, {"suspend": False}, write=not which.everything)
    own = {key for key, run in outcome.runs.items() if run["spec"].get("suspend")}
    for key in own:
        say(f"{_name(key)} stays suspended by its own spec: sympozium resume {key[1]} -n {key[0]}")
        del outcome.runs[key]
    await _wait(session, which, outcome, _goes_on, seconds)
    late = {key: run for key, run in outcome.runs.items() if not _goes_on(run)}
    took = int((time.monotonic() - began) * 1000)
    say(f"resumed: {len(outcome.runs) - len(late)} of {len(outcome.runs)} runs in {took} ms")
    return _say_problems(outcome, late, "goes on", seconds)


async def _installation(session: Session, *, suspend: bool) -> None:
    """Stop or resume all, in one write."""
    body = {"spec": {"suspend": True if suspend else None}}
    try:
        await session.client.patch(CONFIGS, CONFIG, SYSTEM_NAMESPACE, body)
    except NotFoundError:
        if not suspend:
            return
        made = {"apiVersion": CONFIGS.api_version, "kind": CONFIGS.kind,
                "metadata": {"name": CONFIG, "namespace": SYSTEM_NAMESPACE}, **body}  # fmt: skip
        await session.client.create(CONFIGS, made, SYSTEM_NAMESPACE)
    words = "nothing starts, by schedules neither" if suspend else "runs start again"
    say(f"the installation is {'stopped' if suspend else 'resumed'}: {words}")


async def _order(session: Session, which: Which, spec: Object, *, write: bool) -> _Outcome:
    """Find the runs that have not ended, and write the order into each."""
    client, outcome = session.client, _Outcome()
    namespace = None if which.everything or which.everywhere else session.namespace
    found = await client.list(AGENT_RUN, namespace, labels=which.selector or "")
    if which.names:
        found = [run for run in found if run["metadata"]["name"] in which.names]
        if missing := set(which.names) - {run["metadata"]["name"] for run in found}:
            words = f"no agentrun {', '.join(sorted(missing))} in namespace {namespace}; nothing was changed"
            raise CommandError(words)
    outcome.runs = {_key(run): run for run in found if not _ended(run)}
    if write:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(key: Key) -> None:
            async with gate:
                try:
                    outcome.runs[key] = await client.patch(AGENT_RUN, key[1], key[0], {"spec": spec})
                except NotFoundError:
                    del outcome.runs[key]
                except KubeError as error:
                    outcome.failed[key] = one_line(str(error))

        await asyncio.gather(*(one(key) for key in list(outcome.runs)))
    return outcome


async def _stop_jobs(session: Session, outcome: _Outcome) -> None:
    """End the pods ourselves: a kill must not wait for a controller."""
    for key, run in outcome.runs.items():
        if job := (run.get("status") or {}).get("jobName"):
            try:
                await session.client.patch(JOBS, job, key[0], {"spec": {"suspend": True}})
            except NotFoundError:
                continue
            except KubeError as error:
                outcome.failed[key] = f"Job {job}: {one_line(str(error))}"


async def _wait(
    session: Session, which: Which, outcome: _Outcome, done: Callable[[Object], bool], seconds: float
) -> None:
    """Follow the runs until all are done, or the time is over."""
    namespace = None if which.everything or which.everywhere else session.namespace
    waits = {key for key, run in outcome.runs.items() if not done(run) and key not in outcome.failed}

    def take(run: Object, *, gone: bool = False) -> None:
        key = _key(run)
        if key in outcome.runs:
            outcome.runs[key] = run
            if gone or done(run):
                waits.discard(key)

    try:
        async with asyncio.timeout(seconds):
            while waits:
                try:
                    found, version = await session.client.list_at(AGENT_RUN, namespace)
                    present = {_key(run) for run in found}
                    waits &= present
                    for run in found:
                        take(run)
                    query = {"resourceVersion": version, "timeoutSeconds": "300"}
                    async with session.client.watch(AGENT_RUN, namespace, query=query, idle=330) as events:
                        while waits:
                            event = await anext(events)
                            take(event["object"], gone=event["type"] == "DELETED")
                except StopAsyncIteration:
                    continue
                except KubeError as error:
                    outcome.blind = one_line(str(error))
                    await asyncio.sleep(0.2)
    except TimeoutError:
        return
    outcome.blind = ""


def _report_stop(
    outcome: _Outcome, stands: Callable[[Object], bool], took: int, seconds: float, *, kill: bool
) -> int:
    late = {key: run for key, run in outcome.runs.items() if not stands(run)}
    still = [run for key, run in outcome.runs.items() if key not in late]
    frozen = [run for run in still if _is(run, "Frozen")]
    flying = [run for run in frozen if "in flight: " in _message(run)]
    if kill:
        say(f"ended: {len(still)} of {len(outcome.runs)} runs in {took} ms")
    else:
        say(
            f"frozen: {len(frozen)} of {len(outcome.runs)} runs in {took} ms, {len(flying)} with a call in flight; "
            f"{sum(not _ended(run) for run in still) - len(frozen)} not started, {sum(map(_ended, still))} ended meanwhile"
        )
    for run in plain(flying):
        say(f"  {_name(_key(run))}: {_message(run).rpartition('in flight: ')[2]}")
    return _say_problems(outcome, late, "has ended" if kill else "stands still", seconds)


def _say_problems(outcome: _Outcome, late: dict[Key, Object], what: str, seconds: float) -> int:
    """What was not done, each in a line; the exit code."""
    for key, words in sorted(outcome.failed.items()):
        say(f"not told: {_name(key)}: {words}")
    for key, run in sorted(plain(list(late.items())), key=lambda item: item[0]):
        if tuple(key) not in outcome.failed:
            status = run.get("status") or {}
            words = _message(run) or f"{status.get('phase') or 'new'} ({status.get('reason') or 'no reason'})"
            say(f"not known whether it {what} after {seconds:.0f} s: {_name(key)}: {words}")
    if outcome.blind:
        say(f"the runs could not be watched: {outcome.blind}")
    return EXIT_ERROR if outcome.failed or late or outcome.blind else 0


def _stands(run: Object) -> bool:
    """Nothing begins in it: frozen by its own tool server's word, not started, or ended."""
    status = run.get("status") or {}
    waits = status.get("phase") == "Queued" and status.get("reason") == "Suspended"
    return _ended(run) or waits or _is(run, "Frozen")


def _goes_on(run: Object) -> bool:
    status = run.get("status") or {}
    frozen = find(status.get("conditions"), "Frozen")
    held = status.get("phase") == "Queued" and status.get("reason") == "Suspended"
    return _ended(run) or not (held or (frozen is not None and frozen["status"] != "False"))


def _ended(run: Object) -> bool:
    return (run.get("status") or {}).get("phase") in TERMINAL


def _is(run: Object, kind: str) -> bool:
    found = find((run.get("status") or {}).get("conditions"), kind)
    return found is not None and found["status"] == "True"


def _message(run: Object) -> str:
    found = find((run.get("status") or {}).get("conditions"), "Frozen")
    return str(found["message"]) if found else ""


def _key(run: Object) -> Key:
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _name(key: Sequence[str]) -> str:
    return f"{key[0]}/{key[1]}"

"""Plays attacks, with policy and with policy off, several side by side, and says what the canaries showed."""

import contextlib
import functools
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hostile import canaries
from hostile.beacon import Beacon
from hostile.corpus import Attack, policies
from hostile.model import HostileModels
from hostile.world import RIGHTS, Scene, World
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, ApiError, Client, Cluster, phase
from sympozium.testing.client import WaitTimeoutError

log = logging.getLogger(__name__)
WITH, OFF = "with", "off"
_BOUND = 240.0
"""Seconds for one run; the machine may be loaded."""
_HARMLESS = re.compile(r"\Aecho harmless\Z")


@dataclass
class Result:
    """What came of one attack in one mode. `trouble` is what kept it from being played at all."""

    attack: Attack
    mode: str
    tripped: list[str] = field(default_factory=list)
    end: str = ""
    trouble: str = ""

    @property
    def word(self) -> str:
        return "TROUBLE" if self.trouble else "happened" if self.tripped else self.end


@contextlib.contextmanager
def world(directory: Path) -> Iterator[World]:
    """A control plane of its own with everything that the attacks share."""
    with Cluster(directory) as cluster, of(cluster) as found:
        yield found


@contextlib.contextmanager
def of(cluster: Cluster) -> Iterator[World]:
    """The same on a control plane that runs."""
    with HostileModels() as models, Beacon() as beacon:
        found = World(cluster, models, beacon)
        found.prepare()
        yield found


def play(found: World, wanted: Sequence[tuple[Attack, str]], *, side_by_side: int = 4) -> list[Result]:
    """Each attack in its mode, in the order of `wanted`."""
    person = _Person(found)
    with person, ThreadPoolExecutor(side_by_side) as pool:
        return list(pool.map(lambda pair: _one(found, person, *pair), wanted))


def play_in_one(found: World, wanted: Sequence[Attack]) -> list[Result]:
    """All of them in one run with policy and in one with policy off, one after another: a run costs what ten attacks do.

    The policy is changed between them while the run goes on. For attacks whose steps have no branches, and whose
    canaries trip before the run is over.
    """
    # The open networks first: what is narrowed while a run goes on is narrowed for sure.
    ordered = sorted(wanted, key=lambda attack: policies()[attack.policy]["networkPolicy"]["denyAll"])
    person = _Person(found)
    with person, ThreadPoolExecutor(2) as pool:
        return [
            r
            for played in pool.map(lambda mode: _row(found, person, ordered, mode), (WITH, OFF))
            for r in played
        ]


def _row(found: World, person: "_Person", ordered: Sequence[Attack], mode: str) -> list[Result]:
    results = [Result(attack, mode, trouble="not played to its end") for attack in ordered]
    whole = Attack(
        name="all", kind="", does="", policy="", canary=(),
        steps=tuple(
            step
            for i, attack in enumerate(ordered)
            for step in (*attack.steps, {"id": f"look-{i}", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]})
        ),
        needs=frozenset(need for attack in ordered for need in attack.needs),
        inbox="\n".join(attack.inbox for attack in ordered if attack.inbox),
    )  # fmt: skip
    scene = Scene(found, whole, mode)

    def look(i: int) -> None:
        result = results[i]
        result.trouble = ""
        try:
            result.tripped = canaries.in_the_pod(scene) + canaries.afterwards(scene)
            result.end = "nothing"
            scene.sweep()
            if i + 1 < len(ordered):
                scene.attack = ordered[i + 1]
                scene.change(_policy(scene.attack, mode))
        except (AssertionError, ApiError, OSError) as failure:
            result.trouble = f"the canary could not be looked at, or the next attack begun: {failure}"

    try:
        scene.build(_policy(ordered[0], mode))
        scene.attack = ordered[0]
        person.sees(scene)
        before = {f"look-{i}": functools.partial(look, i) for i in range(len(ordered))}
        found.models.add(scene.model, scene.fill(whole.steps), lambda: None, before)
        scene.start()
        run = scene.client.wait(AGENT_RUN, "run", canaries.ended, scene.namespace, timeout=2 * _BOUND)
        for result in results:
            if result.trouble:
                status = run["status"]
                result.trouble += f": {phase(run)} {status.get('reason')}: {status.get('error')}"
    except (AssertionError, ApiError, KeyError, OSError) as failure:
        results[0].trouble = f"{type(failure).__name__}: {failure}"
    finally:
        with contextlib.suppress(ApiError):  # a run that was refused is not there to be deleted
            scene.clear()
    return results


def _policy(attack: Attack, mode: str) -> dict[str, Any]:
    if mode == OFF:
        return {**policies()["off"], "rbacPolicy": {"allow": RIGHTS}}
    return policies()[attack.policy]


def _one(found: World, person: "_Person", attack: Attack, mode: str) -> Result:
    result = Result(attack, mode)
    scene = Scene(found, attack, mode)
    try:
        scene.build(_policy(attack, mode))
        person.sees(scene)
        found.models.add(scene.model, scene.fill(attack.steps), lambda: _look(scene, result))
        try:
            scene.start()
        except ApiError as failure:
            result.end = "refused at admission"
            if not attack.refused or mode == OFF:
                result.trouble = f"the run was refused: {failure}"
        else:
            run = scene.client.wait(AGENT_RUN, "run", canaries.ended, scene.namespace, timeout=_BOUND)
            status = run["status"]
            result.end = "nothing"
            if scene.model not in found.models.played:
                result.trouble = (
                    f"not played to its end: {phase(run)} {status.get('reason')}: {status.get('error')}"
                )
        result.tripped += canaries.afterwards(scene)
    except (AssertionError, ApiError, WaitTimeoutError, KeyError, OSError) as failure:
        result.trouble = f"{type(failure).__name__}: {failure}"
    finally:
        with contextlib.suppress(ApiError):  # a run that was refused is not there to be deleted
            scene.clear()
    log.info("%s, policy %s: %s", attack.name, mode, result.word)
    return result


def _look(scene: Scene, result: Result) -> None:
    try:
        result.tripped += canaries.in_the_pod(scene)
    except (AssertionError, ApiError, OSError) as failure:
        result.trouble = f"the canary could not be looked at: {failure}"


class _Person:
    """Decides what is asked, as `person` of the attack says, from what is shown and nothing else."""

    def __init__(self, found: World) -> None:
        self._client = Client(found.cluster.data.kubeconfig)
        self._scenes: dict[str, Scene] = {}
        self._over = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def sees(self, scene: Scene) -> None:
        self._scenes[scene.namespace] = scene

    def _watch(self) -> None:
        while not self._over:
            for event in self._client._events(APPROVAL_REQUEST.path(None), 2, {}):
                if self._over:
                    return
                asked = event["object"]
                scene = self._scenes.get(asked["metadata"]["namespace"])
                if event["type"] == "DELETED" or scene is None or (asked.get("status") or {}).get("decision"):
                    continue
                self._decide(scene, asked)

    def _decide(self, scene: Scene, asked: dict[str, Any]) -> None:
        if scene.attack.person == "absent":
            return
        shown = asked["spec"].get("args") or {}
        harmless = _HARMLESS.match(str(shown.get("command", ""))) is not None
        yes = scene.attack.person == "approves harmless" and harmless
        decision = {"status": {"decision": "Approved" if yes else "Denied"}}
        with contextlib.suppress(ApiError):  # it has expired, or its run has gone
            self._client.patch(
                APPROVAL_REQUEST,
                asked["metadata"]["name"],
                decision,
                asked["metadata"]["namespace"],
                subresource="status",
            )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join(20)
        self._client.close()

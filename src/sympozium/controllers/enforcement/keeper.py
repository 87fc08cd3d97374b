"""Remembers what the probe found, in the status of SympoziumConfig `default`, and judges runs by it.

The probe is made when the first run with a closed network needs it, and again when its answer is older than a day or
was found on other nodes. Runs that need it wait; all others do not know of it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sympozium.actions.networkprobe import CONDITION, Verdict, digest_of, probe
from sympozium.api.base import Object
from sympozium.api.config import NAME as CONFIG_NAME
from sympozium.api.images import Images
from sympozium.controllers.context import Context
from sympozium.controllers.run.plan import PlanError
from sympozium.kube import KubeError, Request
from sympozium.kube.conditions import condition, find, parse_time, rfc3339
from sympozium.policy import Effective, network

log = logging.getLogger(__name__)

LONGEST: Final = timedelta(hours=24)
_AGAIN: Final = timedelta(minutes=1)
"""After a probe that could not tell."""
_RETRY: Final = 10.0
UNENFORCED: Final = "NetworkUnenforced"


class NotYetError(Exception):
    """The run must wait until it is known whether its network can be closed; the text says why it is not."""


@dataclass(frozen=True, slots=True)
class Known:
    """A verdict, when it was found and on which nodes."""

    verdict: Verdict
    at: datetime
    nodes: str

    def holds(self, now: datetime, nodes: str) -> bool:
        age = now - self.at
        return self.nodes == nodes and age < (_AGAIN if self.verdict.enforced is None else LONGEST)


class Enforcement:
    """`wake` is set before `run`, and called for runs that waited for the probe."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.wake: Callable[[Request], None]
        self._waiting: set[Request] = set()
        self._wanted = asyncio.Event()
        self._last: Known | None = None

    def judge(self, request: Request, policy: Effective) -> list[Object]:
        """Conditions for a run with this policy. Raises NotYetError, or PlanError when its network cannot be closed."""
        egress = network.egress(policy)
        if not egress.restricted:
            return []
        known = self._known()
        if known is None or not known.holds(self._context.now(), self._nodes()):
            self._waiting.add(request)
            self._wanted.set()
            raise NotYetError("finding out whether network policies are enforced here")
        verdict = known.verdict
        if verdict.enforced:
            return []
        if verdict.enforced is None and egress.must_hold:
            raise NotYetError(f"whether network policies are enforced here is not known: {verdict.message}")
        if egress.must_hold:
            raise PlanError(
                f"networkPolicy.denyAll: nothing enforces network policies here: {verdict.message}. Or set "
                "networkPolicy.whenUnenforced: Allow, and the run starts with an open network"
            )
        return [_open(verdict)]

    def notes(self, policy: Effective) -> list[Object]:
        """The condition for a run that goes on, and whose policy closes its network by now where nothing enforces it."""
        known = self._known()
        closed = network.egress(policy).restricted
        return [_open(known.verdict)] if closed and known and known.verdict.enforced is False else []

    async def run(self) -> None:
        """Make the probe whenever it is wanted; until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            known = self._known()
            if known is None or not known.holds(self._context.now(), self._nodes()):
                await self._probe()
            waiting, self._waiting = self._waiting, set()
            for request in waiting:
                self.wake(request)

    async def _probe(self) -> None:
        context, nodes = self._context, self._nodes()
        try:
            images = Images.of(context.config())
            verdict = await probe(context.client, context.system_namespace, images)
        except KubeError as error:
            log.warning("the network probe cannot be made, again in %.0f s: %s", _RETRY, error)
            verdict = Verdict(None, "ProbeFailed", f"the pods of the probe cannot be made: {error}")
            await asyncio.sleep(_RETRY)
        log.info("network probe: %s: %s", verdict.reason, verdict.message)
        self._last = Known(verdict, context.now(), nodes)
        await self._remember(self._last)

    async def _remember(self, known: Known) -> None:
        """For the next process, and for people. Without a SympoziumConfig only this process knows."""
        context = self._context
        obj = context.caches.configs.get(context.system_namespace, CONFIG_NAME)
        if obj is None:
            return
        fields = {"networkProbe": {"checkedAt": rfc3339(known.at), "nodes": known.nodes}}
        try:
            await context.write_status(context.caches.configs, obj, fields, [known.verdict.condition()])
        except KubeError as error:
            log.warning("the verdict of the network probe is not in the status of SympoziumConfig: %s", error)

    def _known(self) -> Known | None:
        """The newer of what this process found and what the status says."""
        obj = self._context.caches.configs.get(self._context.system_namespace, CONFIG_NAME)
        written = remembered(obj) if obj else None
        if written and (self._last is None or written.at > self._last.at):
            return written
        return self._last

    def _nodes(self) -> str:
        return digest_of(self._context.caches.nodes.list())


def _open(verdict: Verdict) -> Object:
    return condition(UNENFORCED, True, verdict.reason, f"the network of this run is open: {verdict.message}")


def remembered(config: Object) -> Known | None:
    """What the status of a SympoziumConfig says."""
    status = config.get("status") or {}
    found, when = find(status.get("conditions"), CONDITION), status.get("networkProbe")
    if found is None or not when:
        return None
    enforced = {"True": True, "False": False}.get(found["status"])
    verdict = Verdict(enforced, found["reason"], found.get("message", ""))
    return Known(verdict, parse_time(when["checkedAt"]), when["nodes"])

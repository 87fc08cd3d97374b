"""Tells the traces of runs: takes their events, and sends the spans to where each run's go.

Events come by way of the progress store, once each and in order, also after a restart of the controllers: then the
whole record of a run that goes on is read again. What had ended a minute before the restart was told by the
predecessor and is not told again; what it may not have told is, under the ids that it has in any case.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import AgentRun
from sympozium.controllers.context import Context, MissingError
from sympozium.controllers.run.port import Ref, Stored
from sympozium.controllers.run.trace import origin
from sympozium.controllers.run.trace.story import Story, nanoseconds
from sympozium.kube import KubeError
from sympozium.kube.resources import SECRETS
from sympozium.kube.secretdata import decoded
from sympozium.policy import Effective
from sympozium.policy.resolve import MissingReferenceError
from sympozium.policy.traces import Destination, Refused, destination, unfit_headers
from sympozium.telemetry import spans, tracecontext
from sympozium.telemetry.otlp import DROPPED, Target
from sympozium.telemetry.spans import Resource, Span
from sympozium.telemetry.traces import Traces

log = logging.getLogger(__name__)

_OVERLAP: Final = 60 * 1_000_000_000
"""Nanoseconds before the start of this process of which it tells what the one before it may have told."""
_EARLY: Final = 2000
"""Events of a run that are kept until it is known where its spans go."""
CONDITION: Final = "TracesRefused"


@dataclass(frozen=True, slots=True)
class _Where:
    target: Target
    resource: Resource
    of_installation: bool


@dataclass(slots=True)
class _Told:
    """A run that is told of; `story` is None where nobody wants its traces."""

    story: Story | None = None
    where: _Where | None = None
    why: str = ""


@dataclass(slots=True)
class Teller:
    """For one controller. `traces` is the process's, or None where there is none: then nothing is told."""

    context: Context
    traces: Traces | None
    now: Callable[[], int] = spans.now
    _since: int = 0
    _told: dict[Ref, _Told] = field(default_factory=dict)
    _early: dict[Ref, list[Stored]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._since = self.now() - _OVERLAP

    # -- what the progress store says

    def take(self, ref: Ref, stored: Stored) -> None:
        """One more event of a run."""
        told = self._told.get(ref)
        if told is not None:
            self._send(told, told.story.take(stored.event) if told.story else [])
        elif self.traces is not None:
            early = self._early.setdefault(ref, [])
            if len(early) < _EARLY:
                early.append(stored)
            else:
                DROPPED.labels("full").inc()

    def forget(self, ref: Ref) -> None:
        self._told.pop(ref, None)
        self._early.pop(ref, None)

    # -- what the run controller says

    async def open(self, ref: Ref, run: AgentRun) -> str:
        """Find out where the traces of a run go, once. Returns why they go nowhere, though somebody wanted them."""
        if (known := self._told.get(ref)) is not None:
            return known.why
        told = await self._resolve(run) if self.traces is not None else _Told()
        self._told[ref] = told
        for stored in self._early.pop(ref, ()):
            self.take(ref, stored)
        return told.why

    def sends(self, ref: Ref) -> bool:
        """Whether spans of the run are sent: then others that have to do with it may add theirs."""
        told = self._told.get(ref)
        return told is not None and told.story is not None

    def started(self, ref: Ref, run: AgentRun, planned_at: int) -> None:
        """Its Job is there; `planned_at` is when the work on that began."""
        told = self._told.get(ref)
        if told is not None and told.story is not None:
            created = nanoseconds(str(run.metadata.creation_timestamp))
            self._send(told, told.story.started(created, planned_at, self.now()))

    def ended(self, ref: Ref, phase: str, reason: str) -> None:
        told = self._told.get(ref)
        if told is not None and told.story is not None:
            self._send(told, told.story.ended(phase, reason, self.now()))
        self.forget(ref)

    # -- where to

    async def _resolve(self, run: AgentRun) -> _Told:
        assert self.traces is not None
        where = origin.of_run(run)
        try:
            instance = self.context.instance(run.namespace, run.spec.instance_ref)
            policy = self.context.effective(instance, run.spec.parent)
        except (MissingError, MissingReferenceError) as error:
            return _Told(why=str(error))
        wanted = self._destination(instance, policy)
        if isinstance(wanted, Refused):
            return _Told(why=wanted.why)
        if (
            wanted is None
            or not where.context.sampled
            or not tracecontext.keeps(where.context.trace_id, wanted.ratio)
        ):
            return _Told()
        try:
            target = await self._target(wanted, run.namespace)
        except (MissingError, KubeError) as error:
            return _Told(why=str(error))
        return _Told(Story(run, where), _Where(target, _resource(run, wanted), wanted.of_installation))

    def _destination(self, instance: SympoziumInstance, policy: Effective) -> Destination | Refused | None:
        own = self.traces.target if self.traces else None
        return destination(instance, self.context.config(), policy, environment=own.endpoint if own else None)

    async def _target(self, wanted: Destination, namespace: str) -> Target:
        """Raises MissingError for a Secret that is not there, KubeError."""
        assert self.traces is not None
        if wanted.endpoint is None:
            assert self.traces.target is not None
            return self.traces.target
        headers = dict(wanted.headers)
        if wanted.secret:
            place = self.context.system_namespace if wanted.of_installation else namespace
            secret = await self.context.client.find(SECRETS, wanted.secret, place)
            if secret is None:
                raise MissingError(
                    f"Secret {wanted.secret} with headers for {wanted.endpoint} is not in namespace {place}"
                )
            headers |= {key: value.decode(errors="replace").strip() for key, value in decoded(secret).items()}
        if unfit := unfit_headers(headers):
            raise MissingError(
                f"headers for {wanted.endpoint} that cannot be set: {', '.join(unfit)} (a value is one line of ASCII)"
            )
        target = Target(wanted.endpoint, tuple(sorted(headers.items())), guarded=not wanted.of_installation)
        own = self.traces.target
        same = own is not None and own.endpoint == target.endpoint
        return replace(target, ca=own.ca, guarded=False) if own and same else target

    def _send(self, told: _Told, found: list[Span]) -> None:
        if told.where is None or self.traces is None:
            return
        for span in found:
            if span.end >= self._since:
                where = told.where
                self.traces.send(where.target, where.resource, span, kept=where.of_installation)


def _resource(run: AgentRun, wanted: Destination) -> Resource:
    """What a run says of itself is below what is true of it."""
    return Resource.of(
        {
            **wanted.attributes,
            "service.name": wanted.service,
            "service.namespace": run.namespace,
            "k8s.namespace.name": run.namespace,
        }
    )

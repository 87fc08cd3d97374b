"""Makes changes of policy, and stopping, bind the runs that go on.

For each of them, whenever one of its policies, its instance, the installation's configuration, its own spec or its pod
changes:

    held?      `run.freeze`; what is not there holds a run as `spec.suspend` does
    rules      `policy.changed`, at once and for all runs first; then ConfigMap, network and rights (`rewrite`)

What was done is on the pod, as the fingerprint of the rules: a successor of this process, and a later attempt of the run,
find by it what is still to do. What was told counts when the tool server has answered; until then it is told again. The
status is written by the run controller alone, from `report`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.api import AgentRun
from sympozium.api.base import Object
from sympozium.api.meta import LABEL_RUN
from sympozium.api.run import TERMINAL
from sympozium.bus.messages import POLICY_CHANGED, RUN_FREEZE, MessageError
from sympozium.controllers.context import BY_INSTANCE, BY_LABEL, Context, MissingError, parse
from sympozium.controllers.run import binding, diagnose
from sympozium.controllers.run.binding import Hold, Rules
from sympozium.controllers.run.fold import Progress
from sympozium.controllers.run.plan import PlanError, names
from sympozium.controllers.run.port import Bus, BusError, Ref
from sympozium.controllers.run.progress import ProgressStore
from sympozium.controllers.run.rewrite import Rewriter, pod_annotations
from sympozium.controllers.run.start import Starter
from sympozium.kube import Controller, Informer, Request, Result
from sympozium.names import label_value
from sympozium.policy import tool_policies
from sympozium.policy.resolve import MissingReferenceError
from sympozium.telemetry import metrics

log = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds after which a running tool server that has not answered is told again."""
GRACE: Final = 1.0
"""Seconds that a tool server has for its answer before the status says that it is waited for: most runs get one write."""
_WORKERS: Final = 8
_GO_ON: Final = "go on"
_TOLD: Final = metrics.counter(
    "sympozium_run_orders_total", "Changed policies, freezes and their ends told to runs.", ["order"]
)
_ANSWERED: Final = metrics.histogram(
    "sympozium_run_order_seconds", "From telling a run to its tool server's answer.", ["order"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30),
)  # fmt: skip


@dataclass(slots=True)
class _Order:
    """Something that the tool server was told: to whom, when, and what it had answered before."""

    what: str
    pod: str
    at: float
    answers: int = 0
    answered: bool = False


@dataclass(slots=True)
class _State:
    """Of one run. Nothing here is lost with this process: it is found again from the pod and the stream."""

    rules: Rules | None = None
    hold: Hold | None = None
    refused: tuple[str, ...] = ()
    impossible: str = ""
    """What of the rules cannot be carried out at all."""
    conditions: list[Object] = field(default_factory=list)
    """About what was cut by the newest rules."""
    told: _Order | None = None
    written: str = ""
    """Fingerprint of the rules that the objects follow, where no pod can say it."""
    freeze: _Order | None = None
    changed: float = 0.0
    """When rules or hold last became others."""
    said: bool = False
    """Whether the status was made to say that an answer is waited for."""


@dataclass(frozen=True, slots=True)
class Report:
    """For the status of a run."""

    refused: str = ""
    held: bool = False
    conditions: list[Object] = field(default_factory=list)


class Live:
    """`wake` has a run's status written."""

    def __init__(
        self,
        context: Context,
        bus: Bus,
        starter: Starter,
        store: ProgressStore,
        wake: Callable[[Request], None],
    ) -> None:
        self._context = context
        self._bus = bus
        self._store = store
        self._rewriter = Rewriter(context, starter)
        self._wake = wake
        self._states: dict[Ref, _State] = {}
        self.controller = Controller("live", self.reconcile, workers=_WORKERS)
        caches = context.caches
        self._follow(caches.policies, _spec, self._under_policy)
        self._follow(caches.configs, _spec, lambda _: self._all())
        self._follow(caches.instances, _spec, self._of_instance)
        self._follow(caches.runs, _orders, lambda run: [_request(run)])
        self._follow(caches.jobs, _uid, self._of_part)
        self._follow(caches.pods, _phase, self._of_part)

    def report(self, ref: Ref, run: AgentRun, progress: Progress) -> Report:
        """What the status must say. Answers of the tool server are taken in here."""
        state = self._states.get(ref)
        if state is None:
            return Report()  # not looked at yet by this process: what the status says stays
        known = {c.type for c in run.status.conditions}
        held = progress.held is not None and progress.held.frozen
        self._take_answers(state, progress)
        if held and state.hold is None:
            self.controller.enqueue(Request(ref.namespace, ref.name))
        found: list[Object | None] = [*state.conditions]
        patient = not state.said and _now() - state.changed < GRACE
        if held == (state.hold is not None) or not patient:
            found.append(binding.frozen_condition(state.hold, progress, known=binding.FROZEN in known))
        answered = state.told is None or state.told.answered
        if answered or not patient:
            known_policy = binding.CURRENT in known or state.told is not None
            found.append(
                binding.current_condition(
                    state.rules, state.hold, progress, answered=answered, known=known_policy
                )
            )
        return Report(_words(state), held and state.hold is not None, [c for c in found if c is not None])

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.runs.get(request.namespace, request.name)
        job = caches.jobs.get(request.namespace, names.job(request.name))
        if obj is None or job is None or not _goes_on(obj):
            self._forget(request)
            return Result()
        try:
            run = parse(AgentRun, obj)
        except MissingError as error:
            log.warning("not judged by its policy as it is now: %s", error)
            return Result()
        ref = Ref(run.namespace, run.name, run.metadata.uid)
        state = self._states.setdefault(ref, _State())
        pod = diagnose.newest(caches.pods.by_index(BY_LABEL, f"{run.namespace}/{label_value(run.name)}"))
        before, refused = (state.rules and state.rules.fingerprint, state.hold), state.refused
        self._judge(state, run)
        changed = before != (state.rules and state.rules.fingerprint, state.hold)
        if changed:
            state.changed, state.said = _now(), False
        try:
            again = await self._bind(ref, state, obj, run, job, pod)
        except BusError:
            self._say_if_late(request, state)
            raise
        if refused != state.refused or (changed and again is None):
            self._wake(request)
        elif again is not None:
            again = min(again, self._say_if_late(request, state))
        return Result(again)

    def _say_if_late(self, request: Request, state: _State) -> float:
        """Have the status say what is waited for, once that lasts; returns the seconds until then."""
        if state.said:
            return PATIENCE
        left = GRACE - (_now() - state.changed)
        if left <= 0:
            state.said = True
            self._wake(request)
        return left if left > 0 else PATIENCE

    # -- what shall hold

    def _judge(self, state: _State, run: AgentRun) -> None:
        """The rules and the hold as they should be now."""
        context, missing = self._context, ""
        config = context.config()
        try:
            instance = context.instance(run.namespace, run.spec.instance_ref)
            policy = context.effective(instance, run.spec.parent)
        except (MissingError, MissingReferenceError) as error:
            state.rules, missing = None, str(error)
        else:
            state.rules = Rules.of(policy, tool_policies(run, instance))
            planned = run.status.policy
            if planned is None or planned.digest != state.rules.digest:
                packs = {
                    name: pack
                    for skill in run.spec.skills
                    for name, pack in self._packs(run.namespace, skill)
                }
                found = binding.refused(run, instance, config, policy, packs)
                state.refused = tuple(found)
            else:
                state.refused = ()
        state.hold = binding.hold(run, config, missing)

    def _packs(self, namespace: str, skill: Any) -> Iterable[tuple[str, Any]]:
        """The pack of a skill, if it is still there: a run is not ended because its pack was deleted."""
        try:
            return self._context.skill_packs(namespace, [skill]).items()
        except MissingReferenceError:
            return ()

    # -- making it hold

    async def _bind(
        self, ref: Ref, state: _State, obj: Object, run: AgentRun, job: Object, pod: Object | None
    ) -> float | None:
        """The next step; returns when to take another."""
        rules = state.rules
        try:
            progress = await self._store.get(ref)
            self._take_answers(state, progress)
            running = pod is not None and diagnose.is_running(pod)
            settled = await self._hold(ref, state, progress, _uid_of(pod), running=running)
            if rules is not None and await self._told(ref, state, progress, job, pod, running=running):
                return 0.0  # objects are written after all runs were told
        except BusError:
            # Network and rights do not need the bus: they bind now.
            if rules is not None and not _marked(rules, pod) and state.written != rules.fingerprint:
                await self._write(state, obj, run, rules, pod, told=False)
            raise
        if (
            rules is not None
            and state.told is not None
            and not self._follows(rules, state, progress, job, pod)
        ):
            await self._write(state, obj, run, rules, pod, told=True)
        return None if settled and (state.told is None or state.told.answered) else PATIENCE

    async def _told(
        self, ref: Ref, state: _State, progress: Progress, job: Object, pod: Object | None, *, running: bool
    ) -> bool:  # fmt: skip
        """Tell the tool server the rules if it does not know them; whether that was done now."""
        rules, told = state.rules, state.told
        assert rules is not None
        if told is not None and (told.what, told.pod) == (rules.fingerprint, _uid_of(pod)):
            if told.answered or not running or _now() - told.at < PATIENCE:
                return False
        elif self._follows(rules, state, progress, job, pod):
            return False
        try:
            await self._bus.tell(ref, POLICY_CHANGED, rules.data)
        except MessageError as error:
            state.impossible = f"it cannot be told to the run: {error}"
        answers = progress.applied.count if progress.applied else 0
        state.told = _Order(rules.fingerprint, _uid_of(pod), _now(), answers)
        _TOLD.labels("policy").inc()
        return True

    def _follows(
        self, rules: Rules, state: _State, progress: Progress, job: Object, pod: Object | None
    ) -> bool:
        """Whether the run was told these rules, and all that it owns follows them."""
        planned = pod_annotations(job).get(names.ANNOTATION_POLICY)
        if state.told is not None and state.told.what != rules.fingerprint:
            return False
        if pod is None:
            return rules.fingerprint in (planned, state.written)
        if not _marked(rules, pod):
            return False
        # Told by a predecessor of this process, which may not have heard the answer.
        applied = progress.applied is not None and progress.applied.digest == rules.digest
        return state.told is not None or applied or planned == rules.fingerprint

    async def _write(
        self, state: _State, obj: Object, run: AgentRun, rules: Rules, pod: Object | None, *, told: bool
    ) -> None:
        before = (state.conditions, state.impossible)
        try:
            state.conditions = await self._rewriter.write(obj, run, rules, pod, told=told)
            state.impossible = ""
        except (PlanError, MissingError, MissingReferenceError) as error:
            state.impossible = str(error)
        state.written = rules.fingerprint
        if before != (state.conditions, state.impossible):
            self._wake(Request(run.namespace, run.name))

    async def _hold(self, ref: Ref, state: _State, progress: Progress, pod: str, *, running: bool) -> bool:
        """Tell the tool server to hold every call, or to let them go; whether it has done so."""
        frozen = progress.held is not None and progress.held.frozen
        last, wanted = state.freeze, state.hold is not None
        what = f"hold: {state.hold.message}" if state.hold else _GO_ON
        if not wanted and not frozen and (last is None or last.what == _GO_ON):
            return True
        settled = frozen == wanted
        same = last is not None and (last.what, last.pod) == (what, pod)
        if same and last is not None and (settled or not running or _now() - last.at < PATIENCE):
            return settled
        reason = state.hold.message if state.hold else "what held the run is over"
        await self._bus.tell(ref, RUN_FREEZE, {"frozen": wanted, "reason": reason})
        state.freeze = _Order(what, pod, _now())
        _TOLD.labels("freeze" if wanted else "resume").inc()
        return False

    def _take_answers(self, state: _State, progress: Progress) -> None:
        told, rules, freeze = state.told, state.rules, state.freeze
        applied = progress.applied
        if told and rules and applied and not told.answered and told.what == rules.fingerprint:
            told.answered = applied.count > told.answers and applied.digest == rules.digest
            if told.answered:
                _ANSWERED.labels("policy").observe(_now() - told.at)
        held = progress.held is not None and progress.held.frozen
        if freeze and not freeze.answered and held == (freeze.what != _GO_ON):
            freeze.answered = True
            _ANSWERED.labels("freeze" if held else "resume").observe(_now() - freeze.at)

    def _forget(self, request: Request) -> None:
        gone = [r for r in self._states if (r.namespace, r.name) == (request.namespace, request.name)]
        for ref in gone:
            del self._states[ref]

    # -- who is concerned

    def _follow(
        self,
        informer: Informer,
        what: Callable[[Object], Any],
        concerned: Callable[[Object], Iterable[Request]],
    ) -> None:
        """Look at the runs that a change of `what` concerns; a status alone concerns nobody."""

        def changed(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and what(old) == what(new):
                return
            for request in {r for o in (old, new) if o is not None for r in concerned(o)}:
                self.controller.enqueue(request)

        informer.add_handler(changed)

    def _all(self) -> Iterable[Request]:
        return [_request(run) for run in self._context.caches.runs.list() if _goes_on(run)]

    def _of_instance(self, instance: Object) -> Iterable[Request]:
        meta = instance["metadata"]
        found = self._context.caches.runs.by_index(BY_INSTANCE, f"{meta['namespace']}/{meta['name']}")
        return [_request(run) for run in found if _goes_on(run)]

    def _under_policy(self, policy: Object) -> Iterable[Request]:
        """Runs for which a policy of that name may hold, as instance's, default, floor or parent's."""
        caches, config = self._context.caches, self._context.config()
        name = policy["metadata"]["name"]
        if name == config.floor_policy_ref:
            return self._all()
        found = []
        for run in caches.runs.list():
            if not _goes_on(run):
                continue
            instance = caches.instances.get(run["metadata"]["namespace"], run["spec"]["instanceRef"])
            own = (instance or {}).get("spec", {}).get("policyRef") or config.default_policy_ref
            above = (run["spec"].get("parent") or {}).get("policies") or ()
            if name == own or any(key["name"] == name for key in above):
                found.append(_request(run))
        return found

    def _of_part(self, part: Object) -> Iterable[Request]:
        meta = part["metadata"]
        label = f"{meta['namespace']}/{meta['labels'][LABEL_RUN]}"
        return [_request(run) for run in self._context.caches.runs.by_index(BY_LABEL, label)]


def _words(state: _State) -> str:
    """Why the run cannot go on; empty when it can."""
    shown = "; ".join(w for w in (*state.refused, state.impossible) if w)
    return f"{state.rules or 'its policy'} does not let the run go on: {shown}" if shown else ""


def _request(run: Object) -> Request:
    return Request(run["metadata"]["namespace"], run["metadata"]["name"])


def _goes_on(run: Object) -> bool:
    ended = (run.get("status") or {}).get("phase") in TERMINAL
    return not ended and not run["metadata"].get("deletionTimestamp")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _marked(rules: Rules, pod: Object | None) -> bool:
    annotations = (pod["metadata"].get("annotations") if pod else None) or {}
    return bool(annotations.get(names.ANNOTATION_POLICY) == rules.fingerprint)


def _uid_of(pod: Object | None) -> str:
    return str(pod["metadata"]["uid"]) if pod else ""


def _spec(obj: Object) -> Any:
    return obj.get("spec"), obj["metadata"].get("generation"), obj["metadata"].get("deletionTimestamp")


def _orders(run: Object) -> Any:
    return run["spec"].get("suspend"), _goes_on(run)


def _uid(obj: Object) -> Any:
    return obj["metadata"]["uid"]


def _phase(pod: Mapping[str, Any]) -> Any:
    return pod["metadata"]["uid"], (pod.get("status") or {}).get("phase")

"""Reconciles an AgentRun: the only writer of its status.

    gone or deleted      ending
    ended                ending, once
    no Job               queue, then start
    Job                  compose the status from Job, pods, events and approvals; stop what must be stopped;
                         `live` has it judged by its policy as it is now, and holds it

A terminal phase is written before anything is taken away, and never changed.
"""

import logging
from collections.abc import Iterable

from sympozium import resources
from sympozium.api import AgentRun
from sympozium.api.base import Object
from sympozium.api.meta import LABEL_RUN
from sympozium.api.run import TERMINAL
from sympozium.controllers.context import BY_LABEL, BY_RUN, Context, MissingError, parse
from sympozium.controllers.enforcement.keeper import NotYetError
from sympozium.controllers.run import audit, diagnose, figures, own
from sympozium.controllers.run.binding import FROZEN
from sympozium.controllers.run.children import Children
from sympozium.controllers.run.compose import Verdict, World, compose, ended
from sympozium.controllers.run.ending import Ending
from sympozium.controllers.run.live import Live
from sympozium.controllers.run.plan import PlanError, names
from sympozium.controllers.run.port import Bus, BusError, Ref
from sympozium.controllers.run.progress import ProgressStore
from sympozium.controllers.run.queue import Place
from sympozium.controllers.run.slots import Slots
from sympozium.controllers.run.start import Starter
from sympozium.controllers.run.trace import origin
from sympozium.controllers.run.trace.teller import Teller
from sympozium.kube import Controller, Request, Result
from sympozium.kube.conditions import condition, find, parse_time, rfc3339
from sympozium.kube.reconcile import owner
from sympozium.names import label_value
from sympozium.telemetry import logs, metrics, spans, tracecontext

log = logging.getLogger(__name__)

_FINISHED = metrics.counter("sympozium_runs_finished_total", "Runs that ended.", ["phase", "reason"])
_STARTED = metrics.counter("sympozium_runs_started_total", "Runs that got a Job.")
_LOOK_AGAIN = 30.0
"""Seconds after which a queued run looks at its place again, and a deleted one at its pods."""
_WORKERS = 4
_STOPPED = Place(0, "the installation is stopped: sympozium resume --all lets runs start")


class RunController:
    """Level-triggered on runs, their Jobs, pods, approvals, and on events of the bus by way of the store."""

    def __init__(
        self,
        context: Context,
        bus: Bus,
        starter: Starter,
        store: ProgressStore,
        children: Children,
        teller: Teller,
    ) -> None:
        self._context = context
        self._teller = teller
        self._bus = bus
        self._starter = starter
        self._store = store
        self._children = children
        self._ending = Ending(context, bus)
        caches = context.caches
        self.controller = Controller("run", self.reconcile, workers=_WORKERS)
        self.controller.watches(caches.runs)
        self.controller.watches(caches.runs, children.beneath)
        self.controller.watches(caches.jobs, owner("AgentRun"))
        self.controller.watches(caches.pods, self._run_of_pod)
        self.controller.watches(caches.approvals, _run_of_approval)
        self.slots = Slots(context, self.controller.enqueue)
        self.live = Live(context, bus, starter, store, self.controller.enqueue)

    async def reconcile(self, request: Request) -> Result:
        obj = self._context.caches.runs.get(request.namespace, request.name)
        if obj is None:
            self._store.forget_name(request.namespace, request.name)
            return Result()
        try:
            run = parse(AgentRun, obj)
        except MissingError as error:
            # It got past the schema of another version; a person must look at it.
            self._context.recorder.event(obj, "Warning", "Unreadable", str(error))
            return Result()
        with (
            logs.bind(namespace=run.namespace, run=run.name),
            tracecontext.within(origin.of_run(run).context),
        ):
            return await self._look(obj, run, Ref(run.namespace, run.name, run.metadata.uid))

    async def _look(self, obj: Object, run: AgentRun, ref: Ref) -> Result:
        await self._children.look(obj, run)
        if run.metadata.deletion_timestamp:
            try:
                gone = await self._ending.finalize(obj, run)
            except BusError as error:
                words = f"the run stays until its history can be removed: {error}"
                self._context.recorder.event(obj, "Warning", "BusUnreachable", words)
                raise
            self._store.forget(ref)
            return Result(None if gone else _LOOK_AGAIN)
        job = self._context.caches.jobs.get(run.namespace, names.job(run.name))
        if run.status.phase in TERMINAL:
            if job is not None and own.is_of(job, run) and diagnose.finished(job) is None:
                await self._ending.stop(job)
            # `cancel` and `suspend` may still change, without effect: the generation has been seen all the same.
            obj = await self._context.write_status(self._context.caches.runs, obj, {})
            await self._ending.clean(obj, run)
            self._store.forget(ref)
            return Result()
        obj = await self._ending.hold(obj)
        if job is not None:
            return await self._follow(obj, run, job, ref)
        if run.status.job_name:
            return await self._write(obj, run, self._lost(run))
        return await self._queue_or_start(obj, run)

    # -- before there is a Job

    async def _queue_or_start(self, obj: Object, run: AgentRun) -> Result:
        if run.spec.cancel:
            verdict = ended(
                run, "Cancelled", "Cancelled", error="cancelled before it started", now=self._context.now()
            )
            return await self._write(obj, run, verdict)
        if self._context.config().suspend:
            return await self._queued(obj, run, _STOPPED)
        place = self.slots.place(obj)
        if not place.go:
            return await self._queued(obj, run, place)
        began = spans.now()
        async with self.slots.take(obj):
            try:
                await audit.begin(self._bus, obj, run)
                inputs, plan = await self._starter.prepare(obj, run)
                end = await audit.admit(self._bus, inputs, time=rfc3339(self._context.now()))
                planned = condition("Planned", True, "Planned", f"under policy {inputs.policy.name}")
                fields = {
                    "phase": "Pending", "reason": "Starting", "queue": None, "error": None,
                    "policy": {
                        "name": inputs.policy.name, "generation": inputs.policy.generation,
                        "digest": inputs.policy.digest,
                    },
                    "audit": audit.status(end), "traceID": inputs.trace.trace_id,
                }  # fmt: skip
                notes, drop = self._context.unimplemented(obj)
                conditions = [planned, *plan.conditions, *notes]
                obj = await self._context.write_status(
                    self._context.caches.runs, obj, fields, conditions, drop=drop
                )
                for found in plan.conditions:
                    self._context.recorder.event(obj, "Warning", found["type"], found["message"])
                job = await self._starter.write(inputs, plan)
            except BusError as error:
                fields = {"phase": "Pending", "reason": "BusUnreachable", "error": str(error)}
                await self._context.write_status(self._context.caches.runs, obj, fields)
                raise
            except NotYetError as wait:
                fields = {"phase": "Pending", "reason": "ProbingNetwork", "error": str(wait), "queue": None}
                await self._context.write_status(self._context.caches.runs, obj, fields)
                return Result(_LOOK_AGAIN)
            except PlanError as error:
                verdict = ended(run, "Failed", error.reason, error=str(error), now=self._context.now())
                verdict.conditions.append(condition("Planned", False, error.reason, str(error)))
                self._context.recorder.event(obj, "Warning", error.reason, str(error))
                return await self._write(obj, run, verdict)
        _STARTED.inc()
        figures.started(obj, self._context)
        self._teller.started(Ref(run.namespace, run.name, run.metadata.uid), run, began)
        self._context.recorder.event(obj, "Normal", "Started", f"Job {job['metadata']['name']}")
        await self._context.write_status(self._context.caches.runs, obj, {"jobName": job["metadata"]["name"]})
        return Result()

    async def _queued(self, obj: Object, run: AgentRun, place: Place) -> Result:
        reason = "Suspended" if run.spec.suspend or place is _STOPPED else "Busy"
        fields = {
            "phase": "Queued",
            "reason": reason,
            "queue": {"position": place.position, "reason": place.reason},
            "traceID": origin.of_run(run).context.trace_id,
        }
        notes, drop = self._context.unimplemented(obj)
        await self._context.write_status(self._context.caches.runs, obj, fields, notes, drop=drop)
        return Result(_LOOK_AGAIN)

    def _lost(self, run: AgentRun) -> Verdict:
        """The Job was there and is not: somebody deleted it, or we did because the run is cancelled."""
        now = self._context.now()
        if run.spec.cancel:
            return ended(run, "Cancelled", "Cancelled", error="cancelled by spec.cancel", now=now)
        words = f"Job {run.status.job_name} was deleted while the run went on"
        return ended(run, "Failed", "PodLost", error=words, now=now)

    # -- while there is one

    async def _follow(self, obj: Object, run: AgentRun, job: Object, ref: Ref) -> Result:
        if not _controlled_by(job, obj) or not await self._is_planned(obj):
            words = str(own.foreign("Job", job["metadata"]["name"]))
            verdict = ended(run, "Failed", "PlanFailed", error=words, now=self._context.now())
            return await self._write(obj, run, verdict)
        if run.spec.cancel and diagnose.finished(job) is None:
            await self._cancel(run, job, ref)
        await self._teller.open(ref, run)
        progress = await self._store.get(ref)
        if progress.outcome is None and diagnose.finished(job) is not None and self._bus.connected:
            # Before a run is judged without its result: the consumer may be behind.
            progress = await self._store.reload(ref)
        label = f"{run.namespace}/{label_value(run.name)}"
        pods = [p for p in self._context.caches.pods.by_index(BY_LABEL, label) if _controlled_by(p, job)]
        report = self.live.report(ref, run, progress)
        world = World(
            run, job, pods, progress, self._asked(run), self._context.now(), self._bus.connected,
            refused=report.refused, held=report.held,
        )  # fmt: skip
        verdict = compose(world)
        if verdict.status.get("phase") not in TERMINAL:
            verdict.conditions += report.conditions
        if (end := self._bus.audit_end(ref)) is not None:
            verdict.status["audit"] = audit.status(end)
        return await self._write(obj, run, verdict)

    async def _is_planned(self, obj: Object) -> bool:
        """Whether the controllers have come to make its Job: the plan is in the status before there is one.

        A Job that was there earlier is somebody's who made it look like the run's: it is under no policy. The copy
        of runs may be older than that of Jobs, so the API is asked before the run is said to be unplanned.
        """
        if _planned(obj):
            return True
        meta = obj["metadata"]
        return _planned(await self._context.client.get(resources.RUNS, meta["name"], meta["namespace"]))

    async def _cancel(self, run: AgentRun, job: Object, ref: Ref) -> None:
        """Tell the agent, which then ends by itself with a result; its pod is stopped all the same."""
        if not any(c.type == "Cancelling" for c in run.status.conditions):
            try:
                await self._bus.cancel(ref, "spec.cancel was set")
            except BusError as error:
                log.warning("the run was not told of its cancellation, its pod is stopped: %s", error)
        await self._ending.stop(job)

    def _asked(self, run: AgentRun) -> list[str]:
        """Tools of calls that nobody has decided about yet."""
        now = self._context.now()
        found = self._context.caches.approvals.by_index(BY_RUN, f"{run.namespace}/{run.name}")
        return [
            a["spec"]["tool"]
            for a in found
            if not (a.get("status") or {}).get("decision")
            and parse_time(a["spec"]["expiresAt"]) > now
            and any(r["uid"] == run.metadata.uid for r in a["metadata"].get("ownerReferences") or ())
        ]

    async def _write(self, obj: Object, run: AgentRun, verdict: Verdict) -> Result:
        before = run.status.phase
        written = await self._context.write_status(
            self._context.caches.runs, obj, verdict.status, verdict.conditions
        )
        phase = written["status"].get("phase")
        self._tell_of_holding(obj, written)
        if phase in TERMINAL and phase != before:
            complete = find(written["status"].get("conditions"), "Complete") or {}
            self._context.recorder.event(
                written,
                "Normal" if phase == "Succeeded" else "Warning",
                written["status"].get("reason") or phase,
                complete.get("message") or phase,
            )
            reason = written["status"].get("reason") or ""
            _FINISHED.labels(phase, reason).inc()
            figures.ended(written, self._context)
            ref = Ref(run.namespace, run.name, run.metadata.uid)
            await self._teller.open(ref, run)
            self._teller.ended(ref, phase, reason)
            log.info("run %s: %s (%s)", run.name, phase, written["status"].get("reason"))
        return Result(verdict.look_after)

    def _tell_of_holding(self, before: Object, written: Object) -> None:
        """An Event when a run was frozen, and when it goes on."""
        old = find((before.get("status") or {}).get("conditions"), FROZEN) or {}
        new = find(written["status"].get("conditions"), FROZEN) or {}
        if new and new["status"] != old.get("status") and new["status"] != "Unknown":
            reason = "Frozen" if new["status"] == "True" else new["reason"]
            self._context.recorder.event(written, "Normal", reason, new["message"])

    def _run_of_pod(self, pod: Object) -> Iterable[Request]:
        meta = pod["metadata"]
        runs = self._context.caches.runs.by_index(
            BY_LABEL, f"{meta['namespace']}/{meta['labels'][LABEL_RUN]}"
        )
        return [Request(run["metadata"]["namespace"], run["metadata"]["name"]) for run in runs]


def _run_of_approval(approval: Object) -> Iterable[Request]:
    return [Request(approval["metadata"]["namespace"], approval["spec"]["runRef"])]


def _planned(run: Object) -> bool:
    return find((run.get("status") or {}).get("conditions"), "Planned") is not None


def _controlled_by(obj: Object, owner: Object) -> bool:
    uid = owner["metadata"]["uid"]
    return any(r["uid"] == uid for r in obj["metadata"].get("ownerReferences") or ())

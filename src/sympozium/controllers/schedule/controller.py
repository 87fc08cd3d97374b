"""Makes the runs of a SympoziumSchedule.

A run's name derives from its tick, so creating it twice is impossible; what was dealt with (run or left out) is
remembered in an annotation that is written after the run exists. A crash between the two finds the run and goes on.
"""

from collections.abc import Iterable
from datetime import datetime

from sympozium import resources
from sympozium.api import memory
from sympozium.api.base import Object
from sympozium.api.meta import LABEL_INSTANCE, LABEL_SCHEDULE
from sympozium.api.run import TERMINAL
from sympozium.api.schedule import FIRED_ANNOTATION, TICK_ANNOTATION, SympoziumSchedule
from sympozium.api.ticks import Schedule
from sympozium.controllers.context import BY_SCHEDULE, Context
from sympozium.controllers.schedule.decide import (
    Decision,
    Fire,
    Made,
    created_at,
    decide,
    surplus,
)
from sympozium.kube import AlreadyExistsError, Controller, ForbiddenError, InvalidError, Request, Result
from sympozium.kube.conditions import condition, parse_time, rfc3339
from sympozium.names import label_value
from sympozium.telemetry import traces

SEEN_ANNOTATION = "sympozium.ai/seen-tick"
COUNT_ANNOTATION = "sympozium.ai/runs-made"
"""Written in one patch with what was dealt with, so that a crash counts no run twice and none not at all."""
OCCASION_ANNOTATION = "sympozium.ai/occasion"
"""On a run: the type of its schedule, told to the agent."""
_LONGEST = 3600.0
"""Clocks are set and zones change their rules: never sleep longer than this, in seconds."""


class ScheduleController:
    """Level-triggered on the schedule and its runs, and on time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.controller = Controller("schedule", self.reconcile)
        self.controller.watches(context.caches.schedules)
        self.controller.watches(context.caches.runs, _schedule_of)
        self.controller.watches(context.caches.instances, self._of_instance)

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.schedules.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        schedule = SympoziumSchedule.model_validate(obj)
        annotations = schedule.metadata.annotations
        created = created_at(obj)
        try:
            plan = Schedule(schedule.spec.schedule, time_zone=schedule.spec.time_zone, anchor=created)
        except ValueError as error:
            await self._error(obj, "InvalidSchedule", str(error))
            return Result()
        seen = annotations.get(SEEN_ANNOTATION)
        since = parse_time(seen) if seen else created
        runs = caches.runs.by_index(BY_SCHEDULE, f"{request.namespace}/{request.name}")
        made = [_made(run) for run in runs]
        now = self._context.now()
        # While suspended, time passes as if its ticks had been dealt with: resuming makes no run for them.
        decision = decide(schedule, plan, made, since=since, now=now)
        if schedule.spec.suspend:
            decision.seen = plan.due(since, now).last
        problem = await self._act(obj, schedule, decision)
        await self._forget(schedule, made)
        if problem is not None:
            await self._error(obj, "RunRefused", problem, next_run=decision.next_tick)
        else:
            obj = await self._remember(obj, decision)
            await self._report(obj, schedule, decision, made)
        wait = (decision.look_at - now).total_seconds() if decision.look_at else _LONGEST
        return Result(min(max(wait, 0.1), 60.0 if problem else _LONGEST))

    async def _act(self, obj: Object, schedule: SympoziumSchedule, decision: Decision) -> str | None:
        """Create and cancel runs; returns why a run was refused, in words."""
        for reason, message in decision.skipped:
            self._context.recorder.event(obj, "Warning", reason, message)
        for name in decision.cancel:
            patch = {"spec": {"cancel": True}}
            await self._context.client.patch(resources.RUNS, name, schedule.namespace, patch)
            self._context.recorder.event(
                obj, "Normal", "Replaced", f"run {name} is cancelled for the next one"
            )
        for fire in decision.fire:
            try:
                with traces.span(
                    f"schedule {schedule.name}", None, attributes={"sympozium.schedule.tick": fire.cause}
                ):
                    wanted = resources.caused(manifest(schedule, fire))
                    run = await self._context.client.create(resources.RUNS, wanted)
            except AlreadyExistsError:
                continue
            except (InvalidError, ForbiddenError) as error:
                self._context.recorder.event(obj, "Warning", "RunRefused", str(error))
                return f"run {fire.name}: {error}"
            self._context.caches.runs.mutation(run)
            self._context.recorder.event(obj, "Normal", "RunCreated", f"run {fire.name} for {fire.cause}")
        return None

    async def _forget(self, schedule: SympoziumSchedule, made: list[Made]) -> None:
        for name in surplus(schedule, made):
            await self._context.client.delete(resources.RUNS, name, schedule.namespace)

    async def _remember(self, obj: Object, decision: Decision) -> Object:
        """Write which tick and which token were dealt with."""
        annotations: dict[str, str] = {}
        if decision.seen is not None:
            annotations[SEEN_ANNOTATION] = rfc3339(decision.seen)
        for fire in decision.fire:
            if fire.tick is None:
                annotations[FIRED_ANNOTATION] = fire.cause.removeprefix("fire:")
        meta = obj["metadata"]
        old = meta.get("annotations") or {}
        if all(old.get(key) == value for key, value in annotations.items()):
            return obj
        if decision.fire:
            annotations[COUNT_ANNOTATION] = str(int(old.get(COUNT_ANNOTATION) or 0) + len(decision.fire))
        written = await self._context.client.patch(
            resources.SCHEDULES, meta["name"], meta["namespace"], {"metadata": {"annotations": annotations}}
        )
        self._context.caches.schedules.mutation(written)
        return written

    async def _report(
        self, obj: Object, schedule: SympoziumSchedule, decision: Decision, made: list[Made]
    ) -> None:
        fields: Object = {
            "phase": "Suspended" if schedule.spec.suspend else "Active",
            "nextRunTime": rfc3339(decision.next_tick) if decision.next_tick else None,
        }
        fields["totalRuns"] = int((obj["metadata"].get("annotations") or {}).get(COUNT_ANNOTATION) or 0)
        fired = [(fire.tick or self._context.now(), fire.name) for fire in decision.fire]
        if latest := max(fired or [(run.when, run.name) for run in made], default=None):
            fields["lastRunName"] = latest[1]
            fields["lastRunTime"] = rfc3339(latest[0])
        name = schedule.spec.instance_ref
        if self._context.caches.instances.get(schedule.namespace, name) is None:
            words = (
                f"SympoziumInstance {name} is not in namespace {schedule.namespace}: nothing runs until it is"
            )
            ready = condition("Ready", False, "ReferenceMissing", words)
        else:
            words = "suspended" if schedule.spec.suspend else "runs are made"
            ready = condition("Ready", True, "Scheduled", words)
        notes, drop = self._context.unimplemented(obj)
        await self._context.write_status(
            self._context.caches.schedules, obj, fields, [ready, *notes], drop=drop
        )

    def _of_instance(self, instance: Object) -> list[Request]:
        meta = instance["metadata"]
        return [
            Request(s["metadata"]["namespace"], s["metadata"]["name"])
            for s in self._context.caches.schedules.list()
            if (s["metadata"]["namespace"], s["spec"]["instanceRef"]) == (meta["namespace"], meta["name"])
        ]

    async def _error(
        self, obj: Object, reason: str, message: str, *, next_run: datetime | None = None
    ) -> None:
        fields = {"phase": "Error", "nextRunTime": rfc3339(next_run) if next_run else None}
        await self._context.write_status(
            self._context.caches.schedules, obj, fields, [condition("Ready", False, reason, message)]
        )


def manifest(schedule: SympoziumSchedule, fire: Fire) -> Object:
    """The run of a tick. It has no owner: deleting a schedule deletes no finished run."""
    return {
        "apiVersion": resources.RUNS.api_version,
        "kind": resources.RUNS.kind,
        "metadata": {
            "name": fire.name,
            "namespace": schedule.namespace,
            "labels": {
                LABEL_SCHEDULE: label_value(schedule.name),
                LABEL_INSTANCE: label_value(schedule.spec.instance_ref),
            },
            "annotations": {
                TICK_ANNOTATION: fire.cause,
                OCCASION_ANNOTATION: schedule.spec.type,
                **({} if schedule.spec.include_memory else {memory.ANNOTATION_EXCLUDE: "true"}),
            },
        },
        "spec": {
            "instanceRef": schedule.spec.instance_ref,
            "task": schedule.spec.task,
            "trigger": {"kind": "Schedule", "name": schedule.name},
            **({"parent": schedule.spec.parent.to_json()} if schedule.spec.parent else {}),
        },
    }


def _made(run: Object) -> Made:
    phase = (run.get("status") or {}).get("phase") or "Pending"
    cause = (run["metadata"].get("annotations") or {}).get(TICK_ANNOTATION, "fire:")
    tick = None if cause.startswith("fire:") else parse_time(cause)
    return Made(run["metadata"]["name"], phase, created_at(run), tick)


def _schedule_of(run: Object) -> Iterable[Request]:
    trigger = run["spec"].get("trigger") or {}
    if trigger.get("kind") != "Schedule" or not trigger.get("name"):
        return []
    # Steps of a run that goes on are not news; its beginning and its end are.
    if (run.get("status") or {}).get("phase") in (*TERMINAL, None):
        return [Request(run["metadata"]["namespace"], trigger["name"])]
    return []

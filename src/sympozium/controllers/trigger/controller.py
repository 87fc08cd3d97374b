"""Makes the runs of SympoziumTriggers whose source is an Event of Kubernetes, and says of each trigger where it stands.

Events are followed only while some trigger wants them: a cluster has many. What was dealt with is in the status, written
behind the runs: after a crash in between an event is seen again, and its run is there by its name.

No event about a run that a trigger made, about runs beneath it, or about their pods and Jobs, makes another one: a run
that fails would else cause the next.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from sympozium import resources
from sympozium.api.base import Object
from sympozium.api.meta import LABEL_RUN
from sympozium.api.trigger import KubernetesEvent, SeenEvents, SympoziumTrigger
from sympozium.controllers.context import BY_TRIGGER, Context
from sympozium.controllers.trigger import events
from sympozium.controllers.trigger.key import LOOK_AGAIN, KeyProblemError, Keys
from sympozium.kube import (
    AlreadyExistsError,
    Controller,
    ForbiddenError,
    Informer,
    InvalidError,
    Request,
    Result,
)
from sympozium.kube.conditions import condition, parse_time, rfc3339
from sympozium.kube.resources import EVENTS, key_of
from sympozium.policy.triggers import Fired, Outcome, TriggerError, decide, fired_by, manifest, path
from sympozium.telemetry import traces

_BATCH: Final = 100
"""Events of one trigger that are dealt with before others have their turn."""


class TriggerController:
    """Level-triggered on the trigger, its instance, and Events."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted = asyncio.Event()
        self._keys = Keys(context)
        self._listening: dict[tuple[str, str], KubernetesEvent] = {}
        caches = context.caches
        caches.triggers.add_handler(self._heard)
        self.events = Informer(context.client, EVENTS, transform=events.slim)
        self.controller = Controller("trigger", self.reconcile)
        self.controller.watches(caches.triggers)
        self.controller.watches(caches.instances, self._of_instance)
        self.controller.watches(self.events, self._of_event)

    async def run(self) -> None:
        """Follow Events from when they are first wanted; until cancelled."""
        await self._wanted.wait()
        await self.events.run()

    async def reconcile(self, request: Request) -> Result:
        obj = self._context.caches.triggers.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        trigger = SympoziumTrigger.model_validate(obj)
        if trigger.spec.source.kubernetes_event is None:
            return await self._listen(obj, trigger)
        self._wanted.set()
        if not self.events.has_synced:
            return Result(1.0)
        if self._context.caches.instances.get(trigger.namespace, trigger.spec.instance_ref) is None:
            # What happens meanwhile is dealt with when it comes, for as long as Kubernetes keeps Events (an hour).
            await self._report(obj, {}, self._readiness(trigger, []))
            return Result()
        return await self._deal(obj, trigger)

    async def _listen(self, obj: Object, trigger: SympoziumTrigger) -> Result:
        """Say where requests go, and by what the API server knows their senders."""
        source = trigger.spec.source.webhook
        assert source is not None, "the schema wants one of two"
        status: Object = {"path": path(trigger.namespace, trigger.name)}
        ready = self._readiness(trigger, [])
        try:
            status["keyDigest"] = await self._keys.digest(trigger, source.secret_ref)
        except KeyProblemError as error:
            ready = condition("Ready", False, "NoKey", str(error))
        await self._report(obj, {"webhook": status}, ready)
        return Result(LOOK_AGAIN)

    async def _deal(self, obj: Object, trigger: SympoziumTrigger) -> Result:
        status, fields, problems = trigger.status, Object(), list[str]()
        fired, suppressed = status.fired_count or 0, status.suppressed_count or 0
        anew = self._counted_anew(status.seen)
        seen, waiting = status.seen, self._new(trigger, counted_anew=anew)
        for event in waiting[:_BATCH]:
            await asyncio.sleep(0)  # what evaluates expressions awaits nothing, and others have work too
            what = events.happened(event)
            try:
                outcome = decide(trigger, what, self._fired(trigger), now=self._context.now())
                if outcome.name:
                    await self._make(obj, trigger, outcome, event)
                    fired += 1
                    fields |= {"lastFiredAt": rfc3339(self._context.now()), "lastRunName": outcome.name}
            except TriggerError as error:
                outcome = Outcome(suppressed=str(error))
                self._context.recorder.event(obj, "Warning", "EventNotUsable", str(error))
            except (InvalidError, ForbiddenError) as error:
                # Not tried again: what admission refuses for one event must not keep the next ones waiting.
                outcome = Outcome(suppressed=f"the run was refused: {error}")
                self._context.recorder.event(obj, "Warning", "RunRefused", str(error))
                problems.append(str(error))
            if outcome.suppressed:
                suppressed += 1
                fields["lastSuppressed"] = outcome.suppressed
            seen = events.seen_with(event, seen, now=self._context.now(), counted_anew=anew)
            fields["seen"] = seen.to_json()
        fields |= {"firedCount": fired, "suppressedCount": suppressed}
        await self._report(obj, fields, self._readiness(trigger, problems))
        return Result(0.1) if len(waiting) > _BATCH else Result()

    def _counted_anew(self, seen: SeenEvents | None) -> bool:
        """Whether the cluster's versions are behind what was seen: it was restored, with our status in it."""
        return seen is not None and 0 <= self.events.version < int(seen.resource_version or 0)

    def _new(self, trigger: SympoziumTrigger, *, counted_anew: bool) -> list[Object]:
        wanted = trigger.spec.source.kubernetes_event
        assert wanted is not None
        created = parse_time(str(trigger.metadata.creation_timestamp))
        found = [
            event
            for event in self.events.list()
            if events.matches(wanted, event, trigger.namespace)
            and events.is_new(event, trigger.status.seen, created, counted_anew=counted_anew)
            and not self._is_about_our_own(event)
        ]
        return sorted(found, key=events.version)

    def _is_about_our_own(self, event: Object) -> bool:
        about = event.get("involvedObject") or {}
        namespace, name, kind = about.get("namespace") or "", about.get("name") or "", about.get("kind")
        caches = self._context.caches
        if kind == "SympoziumTrigger":
            return True
        if kind in ("Pod", "Job"):
            owned = (caches.pods if kind == "Pod" else caches.jobs).get(namespace, name)
            if owned is None:
                return False
            name = (owned["metadata"].get("labels") or {}).get(LABEL_RUN) or ""
        elif kind != "AgentRun":
            return False
        return self._is_beneath_a_trigger(namespace, name)

    def _is_beneath_a_trigger(self, namespace: str, name: str) -> bool:
        """Whether a trigger made a run, or a run that it is beneath. Of whom nobody can say any more what they are beneath: yes."""
        run = self._context.caches.runs.get(namespace, name)
        if run is None:
            return False
        followed = set[str]()
        while (run["spec"].get("trigger") or {}).get("kind") != "Trigger":
            parent = (run["spec"].get("parent") or {}).get("runName")
            if not parent:
                return False
            run = self._context.caches.runs.get(namespace, parent)
            if run is None or parent in followed:
                return True
            followed.add(parent)
        return True

    def _fired(self, trigger: SympoziumTrigger) -> list[Fired]:
        runs = self._context.caches.runs.by_index(BY_TRIGGER, f"{trigger.namespace}/{trigger.name}")
        return [fired_by(run) for run in runs]

    async def _make(self, obj: Object, trigger: SympoziumTrigger, outcome: Outcome, event: Object) -> None:
        about = event.get("involvedObject") or {}
        cause = f"{event.get('reason')} of {about.get('kind')} {about.get('namespace')}/{about.get('name')}"
        try:
            with traces.span(f"trigger {trigger.name}", None, attributes={"sympozium.trigger.cause": cause}):
                run = resources.caused(manifest(trigger, outcome, cause))
                made = await self._context.client.create(resources.RUNS, run)
        except AlreadyExistsError:
            return
        self._context.caches.runs.mutation(made)
        self._context.recorder.event(obj, "Normal", "RunCreated", f"run {outcome.name} for {cause}")

    def _readiness(self, trigger: SympoziumTrigger, problems: list[str]) -> Object:
        name = trigger.spec.instance_ref
        if self._context.caches.instances.get(trigger.namespace, name) is None:
            words = (
                f"SympoziumInstance {name} is not in namespace {trigger.namespace}: nothing runs until it is"
            )
            return condition("Ready", False, "ReferenceMissing", words)
        if problems:
            return condition("Ready", False, "RunRefused", problems[0])
        if trigger.spec.suspend:
            return condition("Ready", True, "Suspended", "no event makes a run (spec.suspend)")
        return condition("Ready", True, "Listening", "events make runs")

    async def _report(self, obj: Object, fields: Object, ready: Object) -> None:
        await self._context.write_status(self._context.caches.triggers, obj, fields, [ready])

    def _of_instance(self, instance: Object) -> Iterable[Request]:
        meta = instance["metadata"]
        return [
            _request(trigger)
            for trigger in self._context.caches.triggers.list(meta["namespace"])
            if trigger["spec"]["instanceRef"] == meta["name"]
        ]

    def _of_event(self, event: Object) -> Iterable[Request]:
        for (namespace, name), source in self._listening.items():
            if events.matches(source, event, namespace):
                yield Request(namespace, name)

    def _heard(self, old: Object | None, new: Object | None) -> None:
        """Keep what triggers listen to, read: a cluster has many Events, and each is held against all of it."""
        if old is not None:
            self._listening.pop(key_of(old), None)
        source = new["spec"]["source"].get("kubernetesEvent") if new is not None else None
        if new is not None and source is not None:
            self._listening[key_of(new)] = KubernetesEvent.model_validate(source)


def _request(obj: Object) -> Request:
    return Request(obj["metadata"]["namespace"], obj["metadata"]["name"])

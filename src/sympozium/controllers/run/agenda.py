"""Schedules that agents make for their instance.

They are ordinary SympoziumSchedules with a `spec.parent`, which only the controllers write and nobody changes: their
runs stay beneath the run that made them, with its policies, depth and feature gate, also when it is long gone. Agents
see and delete those that agents of the same instance made, and no others.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Final

from pydantic import ValidationError

from sympozium import resources
from sympozium.api import AgentRun, cron
from sympozium.api.approval import ANNOTATION_CALL
from sympozium.api.base import Object
from sympozium.api.meta import LABEL_INSTANCE, LABEL_PARENT, owner_reference
from sympozium.api.shared import Parent
from sympozium.api.ticks import Schedule
from sympozium.controllers.context import Context, MissingError
from sympozium.controllers.run.answer import Answer, unfit
from sympozium.controllers.run.fold import head
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.port import Request
from sympozium.kube import AlreadyExistsError, ForbiddenError, InvalidError, NotFoundError
from sympozium.names import is_label, label_value
from sympozium.policy import Effective, limits, lineage
from sympozium.policy.resolve import MissingReferenceError

MOST: Final = 10
"""Schedules that the agents of one instance may have."""
SHORTEST: Final = 300
"""Seconds between two runs of such a schedule."""
KEPT: Final = 5
"""Finished runs of each outcome that such a schedule keeps."""
ANNOTATION_NAME: Final = "sympozium.ai/task-name"
"""What the agent calls the schedule."""
_GATE: Final = "sub-agents"
_TICKS: Final = 24 * 3600 // SHORTEST + 2
"""Ticks that are looked at: a whole day of the densest schedule that is allowed, so that denser ones are found."""
_TASK_LIMIT: Final = 16 * 1024
_SHOWN: Final = 200


class Agenda:
    """For one controller."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._one_at_a_time = asyncio.Lock()  # two runs of an instance must not both take the last place

    async def handle(self, obj: Object, run: AgentRun, request: Request) -> Answer:
        """Do it, again if need be. Raises what may be better later."""
        action, name = request.data["action"], str(request.data["name"])
        if action == "list":
            return self._list(run)
        if not is_label(name):
            return Answer(
                False, f"{name[:63]!r} is no name: use lower-case letters, digits and dashes, 63 at most"
            )
        async with self._one_at_a_time:
            if action == "delete":
                return await self._delete(obj, run, name)
            return await self._create(obj, run, name, request)

    def _list(self, run: AgentRun) -> Answer:
        lines = [
            f"{_name(s)}: {s['spec']['schedule']}, next at {(s.get('status') or {}).get('nextRunTime') or 'unknown'}: "
            + head(" ".join(s["spec"]["task"].split()), _SHOWN)
            for s in sorted(self._ours(run), key=_name)
        ]
        return Answer(True, "\n".join(lines) or "agents of this instance have no schedules")

    async def _delete(self, obj: Object, run: AgentRun, name: str) -> Answer:
        known = await self._find(run, name)
        if known is None:
            return Answer(True, f"there is no schedule {name} any more")
        meta = known["metadata"]
        await self._context.client.delete(resources.SCHEDULES, meta["name"], run.namespace, uid=meta["uid"])
        self._context.recorder.event(obj, "Normal", "Unscheduled", f"schedule {meta['name']} was deleted")
        return Answer(True, f"schedule {name} was deleted")

    async def _create(self, obj: Object, run: AgentRun, name: str, request: Request) -> Answer:
        known = await self._find(run, name)
        if known is not None:
            if (known["metadata"].get("annotations") or {}).get(ANNOTATION_CALL) == request.call:
                return _made(known)
            spec = known["spec"]
            return Answer(
                False,
                f"there is a schedule {name} ({spec['schedule']}) already: delete it first, or use another name",
            )
        try:
            refusal, parent = self._judge(run, request)
            if refusal:
                self._context.recorder.event(obj, "Warning", "ScheduleRefused", f"{name}: {refusal}")
                return Answer(False, refusal)
            made = await self._context.client.create(
                resources.SCHEDULES, self._manifest(run, name, parent, request)
            )
        except AlreadyExistsError:
            return Answer(False, f"the name of schedule {name} is taken: use another one")
        except (InvalidError, ForbiddenError, NotFoundError) as error:
            return Answer(False, f"the schedule was refused: {error}")
        except (MissingError, MissingReferenceError, ValidationError) as error:
            return Answer(False, f"the schedule cannot be made: {error}")
        self._context.caches.schedules.mutation(made)
        words = f"schedule {made['metadata']['name']} ({made['spec']['schedule']})"
        self._context.recorder.event(obj, "Normal", "Scheduled", words)
        return _made(made)

    def _judge(self, run: AgentRun, request: Request) -> tuple[str, Parent]:
        """(why there must be no such schedule or nothing, what its runs inherit)."""
        instance = self._context.instance(run.namespace, run.spec.instance_ref)
        policy = self._context.effective(instance, run.spec.parent)
        parent = lineage.handed_down(run, instance, self._context.config(), self._context.policy)
        against = [v for v in limits.check_spawn(run, instance, policy, started=0) if not v.audit]
        found = [
            wrong(
                str(request.data.get("schedule") or ""),
                str(request.data.get("task") or ""),
                self._context.now(),
            ),
            _closed(policy),
            *(f"runs beneath this one: {v.field} {v.message}" for v in against),
        ]
        if len(self._ours(run)) >= MOST:
            found.append(f"agents of this instance have {MOST} schedules, which is the most: delete one")
        return "; ".join(text for text in found if text), parent

    def _manifest(self, run: AgentRun, name: str, parent: Parent, request: Request) -> Object:
        instance = run.spec.instance_ref
        owner = self._context.caches.instances.get(run.namespace, instance)
        assert owner is not None, "the instance was looked up before"
        reference = owner_reference(
            {**owner, "apiVersion": resources.INSTANCES.api_version, "kind": resources.INSTANCES.kind}
        )
        return {
            "apiVersion": resources.SCHEDULES.api_version,
            "kind": resources.SCHEDULES.kind,
            "metadata": {
                "name": names.agent_schedule(instance, name),
                "namespace": run.namespace,
                "labels": {
                    LABEL_INSTANCE: label_value(instance),
                    LABEL_PARENT: label_value(run.name),
                },
                "annotations": {ANNOTATION_NAME: name, ANNOTATION_CALL: request.call},
                "ownerReferences": [{**reference, "controller": False, "blockOwnerDeletion": False}],
            },
            "spec": {
                "instanceRef": instance,
                "schedule": str(request.data["schedule"]).strip(),
                "task": request.data["task"],
                "successfulRunsHistoryLimit": KEPT,
                "failedRunsHistoryLimit": KEPT,
                "parent": parent.to_json(),
            },
        }

    async def _find(self, run: AgentRun, name: str) -> Object | None:
        """The schedule that agents of this instance call `name`, as it is now."""
        found = await self._context.client.find(
            resources.SCHEDULES, names.agent_schedule(run.spec.instance_ref, name), run.namespace
        )
        return found if found is not None and _is_ours(found, run) else None

    def _ours(self, run: AgentRun) -> Sequence[Object]:
        return [s for s in self._context.caches.schedules.list() if _is_ours(s, run)]


def wrong(schedule: str, task: str, now: datetime) -> str:
    """What keeps a schedule from being an agent's, in words; empty when nothing does."""
    if not schedule.strip() or not task.strip():
        return "create needs a schedule and a task"
    if len(task) > _TASK_LIMIT or unfit(task):
        return f"the task {unfit(task) or f'has {len(task)} characters, {_TASK_LIMIT} are the most'}"
    if text := cron.problem(schedule):
        return text
    ticks = islice(Schedule(schedule, anchor=now).ticks(now), _TICKS)
    gap = min((later - earlier for earlier, later in pairwise(ticks)), default=None)
    if gap is not None and gap.total_seconds() < SHORTEST:
        return f"{schedule!r} is due every {gap.total_seconds():g} s: agents may schedule every {SHORTEST} s at most"
    return ""


def _closed(policy: Effective) -> str:
    layer = next((one for one in policy.enforced if one.spec.feature_gates.get(_GATE) is False), None)
    return (
        f"policy {layer.name} switches {_GATE} off, and runs of the schedule would be beneath this one"
        if layer
        else ""
    )


def _is_ours(schedule: Object, run: AgentRun) -> bool:
    spec, meta = schedule["spec"], schedule["metadata"]
    return (
        bool(spec.get("parent"))
        and meta["namespace"] == run.namespace
        and spec["instanceRef"] == run.spec.instance_ref
        and not meta.get("deletionTimestamp")
    )


def _made(schedule: Object) -> Answer:
    return Answer(True, f"schedule {_name(schedule)} was made: {schedule['spec']['schedule']}")


def _name(schedule: Object) -> str:
    found: str = (schedule["metadata"].get("annotations") or {}).get(ANNOTATION_NAME) or schedule["metadata"][
        "name"
    ]
    return found

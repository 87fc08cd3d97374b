"""Runs that runs start: made once for a call, answered when they end, ended with who waits for them.

A child is owned by its parent: deleting the parent deletes it. What it was started for is written on it, so that any
controller knows at any time what there is to do:

    label sympozium.ai/parent          the run that started it
    annotation sympozium.ai/call-id    the call of that run
    annotation sympozium.ai/awaited    that call waits for the end; its answer is how the child ended

An awaited child that nobody waits for any more is cancelled; so are all children of a run that is cancelled or deleted.
Others outlive their parent. The finalizer is there from the beginning, so that no child vanishes unanswered.
"""

from collections.abc import Iterable
from typing import Final

from pydantic import ValidationError

from sympozium import resources
from sympozium.api import AgentRun
from sympozium.api.approval import ANNOTATION_CALL
from sympozium.api.base import Object
from sympozium.api.meta import ANNOTATION_TRACEPARENT, LABEL_INSTANCE, LABEL_PARENT, owner_reference
from sympozium.api.run import FINALIZER, TERMINAL
from sympozium.api.shared import Parent
from sympozium.controllers.context import BY_PARENT, Context, MissingError
from sympozium.controllers.run.answer import Answer, unfit
from sympozium.controllers.run.fold import head
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.port import Bus, Ref, Request
from sympozium.controllers.run.trace import origin
from sympozium.kube import ForbiddenError, InvalidError, NotFoundError, Request as Key
from sympozium.names import label_value
from sympozium.policy import limits, lineage
from sympozium.policy.resolve import MissingReferenceError

ANNOTATION_AWAITED: Final = "sympozium.ai/awaited"
ANSWER_LIMIT: Final = 16 * 1024
"""Bytes of a child's result that its parent is told; the whole is in the child's transcript."""
_TASK_LIMIT: Final = 262144
_NAMED: Final = 20
"""Instances that a refusal lists."""


class Children:
    """For one controller."""

    def __init__(self, context: Context, bus: Bus) -> None:
        self._context = context
        self._bus = bus
        self._told: set[str] = set()

    async def spawn(self, obj: Object, run: AgentRun, request: Request) -> Answer | None:
        """Start the run of a call, or find it. None: the call is answered when that run ends."""
        name = names.child(run, request.call)
        known = await self._context.client.find(resources.RUNS, name, run.namespace)
        if known is None:
            refusal = self._refusal(run, request)
            made = Answer(False, refusal) if refusal else await self._make(obj, run, name, request)
            if isinstance(made, Answer):
                self._context.recorder.event(obj, "Warning", "SpawnRefused", made.text)
                return made
            known = made
        if not _is_of(known, run.metadata.uid, request.call):
            return Answer(
                False, f"AgentRun {name} is there and was not started by this call: nothing was started"
            )
        if not is_awaited(known):
            return Answer(
                True, f"run {name} was started; it works on its own, and its answer does not come here"
            )
        if _has_ended(known):
            return outcome(AgentRun.model_validate(known))
        return None

    async def look(self, obj: Object, run: AgentRun) -> None:
        """What there is to do about a run that another one may have started. Raises BusError."""
        owner = _owner(obj)
        if owner is None:
            return
        parent = self._context.caches.runs.get(run.namespace, owner["name"])
        if parent is not None and parent["metadata"]["uid"] != owner["uid"]:
            parent = None
        if _has_ended(obj):
            await self._tell(obj, run, parent)
        elif (why := _orphaned(obj, owner["name"], parent)) and not run.spec.cancel:
            await self._context.client.patch(
                resources.RUNS, run.name, run.namespace, {"spec": {"cancel": True}}
            )
            self._context.recorder.event(obj, "Normal", "Orphaned", f"cancelled: {why}")

    def beneath(self, run: Object) -> Iterable[Key]:
        """The children of a run that is over, for the controller's queue: they have to be looked at."""
        if not (_has_ended(run) or run["spec"].get("cancel")):
            return []
        meta = run["metadata"]
        found = self._context.caches.runs.by_index(BY_PARENT, f"{meta['namespace']}/{meta['name']}")
        return [Key(child["metadata"]["namespace"], child["metadata"]["name"]) for child in found]

    # -- starting

    def _refusal(self, run: AgentRun, request: Request) -> str:
        """Why no run may be started; empty when one may. What the child itself may not is admission's to say."""
        task = str(request.data["task"])
        if not task.strip() or len(task) > _TASK_LIMIT:
            return f"the task must have 1 to {_TASK_LIMIT} characters, it has {len(task)}"
        if text := unfit(task):
            return f"the task {text}"
        wanted = request.data.get("instance")
        if wanted is not None and self._context.caches.instances.get(run.namespace, wanted) is None:
            return self._no_instance(run.namespace, wanted)
        try:
            instance = self._context.instance(run.namespace, run.spec.instance_ref)
            policy = self._context.effective(instance, run.spec.parent)
        except (MissingError, MissingReferenceError) as error:
            return str(error)
        started = sum(1 for _ in self._started(run))
        against = [v for v in limits.check_spawn(run, instance, policy, started=started) if not v.audit]
        most = limits.concurrent(policy, instance)
        words = [f"{v.field} {v.message}" + (f"; {v.instead}" if v.instead else "") for v in against]
        if most.most == 0:
            words.append(f"{most.rule} lets no run work beneath another")
        return "; ".join(words)

    def _no_instance(self, namespace: str, wanted: str) -> str:
        found = sorted(
            i["metadata"]["name"]
            for i in self._context.caches.instances.list()
            if i["metadata"]["namespace"] == namespace
        )
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return f"there is no instance {wanted[:253]!r} in this namespace; there are {', '.join(found[:_NAMED])}{more}"

    def _started(self, run: AgentRun) -> Iterable[Object]:
        """The runs that a run has started so far."""
        found = self._context.caches.runs.by_index(BY_PARENT, f"{run.namespace}/{run.name}")
        return (child for child in found if (_owner(child) or {}).get("uid") == run.metadata.uid)

    async def _make(self, obj: Object, run: AgentRun, name: str, request: Request) -> Object | Answer:
        try:
            instance = self._context.instance(run.namespace, run.spec.instance_ref)
            parent = lineage.handed_down(run, instance, self._context.config(), self._context.policy)
            made = await self._context.client.create(
                resources.RUNS, manifest(obj, run, name, parent, request)
            )
        except (InvalidError, ForbiddenError, NotFoundError) as error:
            return Answer(False, f"the run was refused: {error}")
        except (MissingError, MissingReferenceError, ValidationError) as error:
            return Answer(False, f"the run cannot be started: {error}")
        self._context.caches.runs.mutation(made)
        self._context.recorder.event(obj, "Normal", "Spawned", f"run {name} of {made['spec']['instanceRef']}")
        return made

    # -- ending

    async def _tell(self, obj: Object, run: AgentRun, parent: Object | None) -> None:
        """Answer the call that waits for a child that has ended."""
        uid = run.metadata.uid
        if parent is None or _has_ended(parent):
            self._told.discard(uid)
            return
        if uid in self._told or not is_awaited(obj):
            return
        meta = parent["metadata"]
        answer, call = outcome(run), obj["metadata"]["annotations"][ANNOTATION_CALL]
        ref = Ref(meta["namespace"], meta["name"], meta["uid"])
        await self._bus.answer(ref, call, ok=answer.ok, text=answer.text, once=uid)
        self._told.add(uid)


def manifest(obj: Object, run: AgentRun, name: str, parent: Parent, request: Request) -> Object:
    """The run that `run` (`obj`) starts. The webhook writes `parent` and the trigger anew."""
    instance = request.data.get("instance") or run.spec.instance_ref
    cause = origin.of_run(run).context
    annotations = {
        ANNOTATION_CALL: request.call,
        ANNOTATION_TRACEPARENT: str(cause.within(str(request.data.get("span") or cause.span_id))),
    }
    if request.data["wait"]:
        annotations[ANNOTATION_AWAITED] = "true"
    owner = owner_reference({**obj, "apiVersion": resources.RUNS.api_version, "kind": resources.RUNS.kind})
    return {
        "apiVersion": resources.RUNS.api_version,
        "kind": resources.RUNS.kind,
        "metadata": {
            "name": name,
            "namespace": run.namespace,
            "labels": {
                LABEL_PARENT: label_value(run.name),
                LABEL_INSTANCE: label_value(instance),
            },
            "annotations": annotations,
            "ownerReferences": [{**owner, "controller": False, "blockOwnerDeletion": False}],
            "finalizers": [FINALIZER],
        },
        "spec": {
            "instanceRef": instance,
            "task": request.data["task"],
            "parent": parent.to_json(),
            "trigger": {"kind": "Agent", "name": run.name},
        },
    }


def outcome(run: AgentRun) -> Answer:
    """How a child ended, for the model that waits for it."""
    status = run.status
    if status.phase not in TERMINAL:
        return Answer(False, f"run {run.name} was deleted before it ended")
    result = head(status.result or "", ANSWER_LIMIT)
    if status.phase == "Succeeded":
        return Answer(True, f"run {run.name} has ended with this answer:\n\n{result}")
    words = f"run {run.name} ended as {status.phase} ({status.reason}): {head(status.error or '', ANSWER_LIMIT // 4)}"
    return Answer(False, f"{words}\n\nIts last words:\n{result}" if result else words)


def is_awaited(obj: Object) -> bool:
    """Whether a run was started by a call that waits for its end: the controllers alone start runs for agents."""
    annotations = obj["metadata"].get("annotations") or {}
    return _owner(obj) is not None and annotations.get(ANNOTATION_AWAITED) == "true"


def awaited_by(obj: Object) -> tuple[str, str] | None:
    """(name, uid) of the run that waits for this one to end."""
    owner = _owner(obj)
    return (owner["name"], owner["uid"]) if owner and is_awaited(obj) and not _has_ended(obj) else None


def _owner(obj: Object) -> Object | None:
    """The reference to the run that started this one. Whoever writes such a reference himself is not believed."""
    trigger = obj["spec"].get("trigger") or {}
    if trigger.get("kind") != "Agent":
        return None
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((o for o in owners if o["kind"] == "AgentRun" and o["name"] == trigger.get("name")), None)


def _is_of(obj: Object, uid: str, call: str) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    return (_owner(obj) or {}).get("uid") == uid and annotations.get(ANNOTATION_CALL) == call


def _has_ended(obj: Object) -> bool:
    deleted = bool(obj["metadata"].get("deletionTimestamp"))
    return deleted or (obj.get("status") or {}).get("phase") in TERMINAL


def _orphaned(obj: Object, name: str, parent: Object | None) -> str:
    """Why a child must not go on, in words; empty when it may."""
    if parent is None or parent["metadata"].get("deletionTimestamp"):
        return f"run {name}, which started it, was deleted"
    if parent["spec"].get("cancel") or (parent.get("status") or {}).get("phase") == "Cancelled":
        return f"run {name}, which started it, was cancelled"
    if is_awaited(obj) and _has_ended(parent):
        return f"run {name}, which waited for it, has ended"
    return ""

"""What the controllers share: a client, copies of the collections, and look-ups over them."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from sympozium import resources
from sympozium.api import SYSTEM_NAMESPACE, SkillPack, SympoziumConfig, SympoziumInstance, SympoziumPolicy
from sympozium.api.base import Object
from sympozium.api.config import NAME as CONFIG_NAME, ConfigSpec
from sympozium.api.meta import LABEL_RUN
from sympozium.api.run import TERMINAL
from sympozium.api.shared import Parent, Resource as Model, SkillRef
from sympozium.api.unimplemented import CONDITION as UNIMPLEMENTED, REASON, find as find_unimplemented
from sympozium.kube import Client, Informer, NotFoundError, RetryLaterError
from sympozium.kube.conditions import condition, find, merged, standing
from sympozium.kube.events import Recorder
from sympozium.kube.informer import drop_managed_fields
from sympozium.kube.resources import JOBS, NODES, PODS, Resource
from sympozium.names import label_value
from sympozium.policy import Effective, resolve

log = logging.getLogger(__name__)

AnyModel = TypeVar("AnyModel", bound=Model)

BY_INSTANCE = "instance"
BY_LABEL = "label"
BY_RUN = "run"
BY_SCHEDULE = "schedule"
BY_TRIGGER = "trigger"
BY_OWNER = "owner"
BY_PARENT = "parent"


FINAL_REASONS: Final = frozenset({"ConfigMapRefused", "InvalidPolicy", "InvalidSchedule", "NotUsed"})
"""Reasons of `Ready=False` that only a change of the object's own spec mends; all others may pass by themselves."""


class MissingError(Exception):
    """Something that an object refers to is not there; the text says what, and where it was looked for."""


class Caches:
    """One informer for each collection that the controllers read."""

    def __init__(self, client: Client) -> None:
        def informer(resource: Resource, **options: Any) -> Informer:
            return Informer(client, resource, transform=drop_managed_fields, **options)

        self.runs = informer(
            resources.RUNS,
            indexers={
                BY_INSTANCE: _instance_of_run,
                BY_LABEL: _label_of_run,
                BY_SCHEDULE: _schedule_of_run,
                BY_TRIGGER: _trigger_of_run,
                BY_PARENT: _parent_of_run,
            },
        )
        self.instances = informer(resources.INSTANCES, indexers={BY_OWNER: _owner})
        self.schedules = informer(resources.SCHEDULES, indexers={BY_OWNER: _owner})
        self.triggers = informer(resources.TRIGGERS)
        self.policies = informer(resources.POLICIES)
        self.skill_packs = informer(resources.SKILL_PACKS)
        self.packs = informer(resources.PERSONA_PACKS)
        self.configs = informer(resources.CONFIGS)
        self.approvals = informer(resources.APPROVALS, indexers={BY_RUN: _run_of_approval})
        self.nodes = Informer(client, NODES, transform=_metadata)
        # Jobs and pods of runs alone: a cluster has many others.
        self.jobs = informer(JOBS, labels=LABEL_RUN)
        self.pods = informer(PODS, labels=LABEL_RUN, indexers={BY_LABEL: _run_label})

    def all(self) -> list[Informer]:
        return [
            self.runs, self.instances, self.schedules, self.triggers, self.policies, self.skill_packs, self.packs, self.configs,
            self.approvals, self.jobs, self.pods, self.nodes,
        ]  # fmt: skip


def _metadata(obj: Object) -> Object:
    """Nodes are large, and only counted here."""
    return {"metadata": drop_managed_fields(obj)["metadata"]}


@dataclass(frozen=True, slots=True)
class Context:
    """Given to every controller."""

    client: Client
    caches: Caches
    recorder: Recorder
    system_namespace: str = SYSTEM_NAMESPACE

    def now(self) -> datetime:
        return datetime.now(UTC)

    def config(self) -> ConfigSpec:
        """The installation's defaults; those of the schema where there is no SympoziumConfig `default`."""
        found = self.caches.configs.get(self.system_namespace, CONFIG_NAME)
        return SympoziumConfig.model_validate(found).spec if found else ConfigSpec()

    def instance(self, namespace: str, name: str) -> SympoziumInstance:
        """Raises MissingError."""
        found = self.caches.instances.get(namespace, name)
        if found is None:
            raise MissingError(f"SympoziumInstance {name} is not in namespace {namespace}")
        return parse(SympoziumInstance, found)

    def effective(self, instance: SympoziumInstance, parent: Parent | None = None) -> Effective:
        """The policy of an instance's runs (beneath `parent`). Raises MissingReferenceError: nothing runs ungoverned."""
        return resolve.effective(instance, self.config(), self.policy, parent=parent)

    def skill_packs(self, namespace: str, skills: Iterable[SkillRef]) -> dict[str, SkillPack]:
        """The packs of skills by name. Raises MissingReferenceError."""
        return resolve.skill_packs(namespace, skills, self._skill_pack)

    def policy(self, key: tuple[str, str]) -> SympoziumPolicy | None:
        found = self.caches.policies.get(*key)
        return parse(SympoziumPolicy, found) if found else None

    def _skill_pack(self, key: tuple[str, str]) -> SkillPack | None:
        found = self.caches.skill_packs.get(*key)
        return parse(SkillPack, found) if found else None

    async def write_status(
        self,
        informer: Informer,
        obj: Object,
        fields: Object,
        conditions: Sequence[Object] = (),
        *,
        drop: Sequence[str] = (),
    ) -> Object:
        """Write what differs, and nothing when nothing does; returns the object as it is then.

        A field that is None is removed. What `Ready` or the phase of a run says is said to kstatus too. Raises
        ConflictError when the copy was older than the object, RetryLaterError when the object is gone.
        """
        old = obj.get("status") or {}
        generation = int(obj["metadata"].get("generation") or 0)
        said, gone = _standing(informer.resource.kind, fields, conditions)
        wanted = {
            **fields,
            "observedGeneration": generation,
            "conditions": merged(
                old.get("conditions") or [],
                [*conditions, *said],
                now=self.now(),
                generation=generation,
                drop=[*drop, *gone],
            ),
        }
        # Absent and None are the same, in a merge patch as in the schema.
        changed = {key: value for key, value in wanted.items() if old.get(key) != value}
        if not changed:
            return obj
        try:
            written = await self.client.patch_status(informer.resource, obj, changed)
        except NotFoundError as error:
            # Deleted meanwhile, as a namespace goes with all that it holds: the informer is about to say so.
            raise RetryLaterError(f"gone before its status was written: {error}") from error
        informer.mutation(written)
        return written

    def unimplemented(self, obj: Object) -> tuple[list[Object], list[str]]:
        """The condition for fields without effect, and the condition types to drop when there are none."""
        found = find_unimplemented(obj)
        if not found:
            return [], [UNIMPLEMENTED]
        words = "; ".join(f"{path} ({effect})" for path, effect in found)
        return [condition(UNIMPLEMENTED, True, REASON, f"without effect in this version: {words}")], []


def _standing(kind: str, fields: Object, conditions: Sequence[Object]) -> tuple[list[Object], list[str]]:
    """The conditions of kstatus that follow from what is written, and the types to drop."""
    if ready := find(conditions, "Ready"):
        final = ready["reason"] in FINAL_REASONS
        return standing(ready["status"] == "True", ready["reason"], ready["message"], final=final)
    if kind != "AgentRun" or not (phase := fields.get("phase")):
        return [], []
    reason = fields.get("reason") or phase
    words = fields.get("error") or f"the run is {phase}"
    return standing(phase == "Succeeded", reason, words, final=phase in TERMINAL)


def parse(model: type[AnyModel], obj: Object) -> AnyModel:
    """The model of an object. Raises MissingError: an object that the schema let through and we cannot read."""
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        meta = obj["metadata"]
        raise MissingError(
            f"{obj['kind']} {meta.get('namespace')}/{meta['name']} cannot be read: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
        ) from error


def _instance_of_run(obj: Object) -> Iterable[str]:
    return [f"{obj['metadata']['namespace']}/{obj['spec']['instanceRef']}"]


def _label_of_run(obj: Object) -> Iterable[str]:
    return [f"{obj['metadata']['namespace']}/{label_value(obj['metadata']['name'])}"]


def _schedule_of_run(obj: Object) -> Iterable[str]:
    trigger = obj["spec"].get("trigger") or {}
    if trigger.get("kind") == "Schedule" and trigger.get("name"):
        return [f"{obj['metadata']['namespace']}/{trigger['name']}"]
    return []


def _trigger_of_run(obj: Object) -> Iterable[str]:
    trigger = obj["spec"].get("trigger") or {}
    if trigger.get("kind") == "Trigger" and trigger.get("name"):
        return [f"{obj['metadata']['namespace']}/{trigger['name']}"]
    return []


def _parent_of_run(obj: Object) -> Iterable[str]:
    parent = obj["spec"].get("parent")
    return [f"{obj['metadata']['namespace']}/{parent['runName']}"] if parent else []


def _run_label(obj: Object) -> Iterable[str]:
    return [f"{obj['metadata']['namespace']}/{obj['metadata']['labels'][LABEL_RUN]}"]


def _run_of_approval(obj: Object) -> Iterable[str]:
    return [f"{obj['metadata']['namespace']}/{obj['spec']['runRef']}"]


def _owner(obj: Object) -> Iterable[str]:
    namespace = obj["metadata"].get("namespace", "")
    return [f"{namespace}/{r['kind']}/{r['name']}" for r in obj["metadata"].get("ownerReferences") or ()]

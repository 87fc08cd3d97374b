# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""Metadata and conditions, as Kubernetes defines them for every kind.

`ObjectMeta` types what this project reads and passes everything else through unchanged: an object that we
read and write back must not lose what others wrote into its metadata.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from sympozium.api.base import Model, Object, Time, json_name
from sympozium.installation import SYSTEM_NAMESPACE as SYSTEM_NAMESPACE  # noqa: PLC0414 - offered from here

GROUP: Final = "sympozium.ai"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "sympozium.ai/v1alpha1"

LABEL_INSTANCE: Final = "sympozium.ai/instance"
LABEL_RUN: Final = "sympozium.ai/run"
LABEL_PACK: Final = "sympozium.ai/pack"
LABEL_PERSONA: Final = "sympozium.ai/persona"
LABEL_SCHEDULE: Final = "sympozium.ai/schedule"
LABEL_TRIGGER: Final = "sympozium.ai/trigger"
LABEL_SKILL: Final = "sympozium.ai/skill"
LABEL_COMPONENT: Final = "sympozium.ai/component"
LABEL_PARENT: Final = "sympozium.ai/parent"
LABEL_BUILTIN: Final = "sympozium.ai/builtin"
LABEL_RETRY_OF: Final = "sympozium.ai/retry-of"
ANNOTATION_REQUEST: Final = "sympozium.ai/request"
"""On a run that was asked for with an idempotency key: digest of what was asked."""
ANNOTATION_TRACEPARENT: Final = "sympozium.ai/traceparent"
"""On a run: the span that caused it, as W3C's `traceparent`. Whoever creates a run may set it; the webhook does else."""


class OwnerReference(Model):
    model_config = ConfigDict(extra="allow", alias_generator=json_name, populate_by_name=True)

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/"""

    model_config = ConfigDict(extra="allow", alias_generator=json_name, populate_by_name=True)

    name: str = ""
    generate_name: str | None = None
    namespace: str = ""
    uid: str = ""
    resource_version: str | None = None
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []


class Condition(Model):
    """`metav1.Condition`: one aspect of the state of an object."""

    type: Annotated[str, Field(max_length=316)]
    """Aspect of the object that this speaks of, in CamelCase."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that this was found for."""
    last_transition_time: Time
    """When `status` last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """A CamelCase word that a program can switch on."""
    message: Annotated[str, Field(max_length=32768)]
    """What it means and what to do, for people."""


def now() -> str:
    """The present second in RFC 3339, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(
    kind: str, status: bool | None, reason: str, message: str, *, generation: int, at: str
) -> Condition:
    """A condition; `status` None is `Unknown`."""
    word: Literal["True", "False", "Unknown"] = "Unknown" if status is None else "True" if status else "False"
    return Condition(
        type=kind, status=word, reason=reason, message=message, observed_generation=generation,
        last_transition_time=at,
    )  # fmt: skip


def set_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """The conditions with one set, in the order in which they first appeared.

    `lastTransitionTime` moves only when `status` changes, so that setting the same condition again
    changes nothing and writes nothing.
    """
    result: list[Condition] = []
    found = False
    for old in conditions:
        if old.type != new.type:
            result.append(old)
            continue
        found = True
        same = old.status == new.status
        result.append(new.replaced(last_transition_time=old.last_transition_time) if same else new)
    return result if found else [*result, new]


def drop_condition(conditions: Sequence[Condition], kind: str) -> list[Condition]:
    """The conditions without those of one type."""
    return [c for c in conditions if c.type != kind]


def find_condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind), None)


def owner_reference(owner: Object) -> Object:
    """The controlling owner reference to an object that was read from the API."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }

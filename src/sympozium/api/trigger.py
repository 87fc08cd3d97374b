# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""SympoziumTrigger: runs that something else causes, an Event of Kubernetes or a request from outside."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.api.base import Duration, Model, Name, Rule, Time
from sympozium.api.shared import Resource, Status

_Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=64)]


class KubernetesEvent(Model):
    """Which Events cause a run. A list that is empty leaves all through."""

    reasons: _Names = []
    """Reasons, such as `BackOff`; globs."""
    types: Annotated[list[Literal["Normal", "Warning"]], Field(max_length=2)] = []
    """Types."""
    kinds: _Names = []
    """Kinds of the objects that they are about, such as `Pod`; globs."""
    namespaces: Annotated[list[Name], Field(max_length=64)] = []
    """Namespaces in which they happen; the trigger's own when empty. Whoever writes the trigger must be able to list Events there."""


class TriggerWebhook(Model):
    """Requests to `/hooks/<namespace>/<name>` of the API server."""

    secret_ref: Name
    """Secret in the same namespace whose key `token` senders give as a bearer token."""
    format: Literal["alertmanager", "json"] = "json"
    """What the requests hold: notifications of Alertmanager, or any JSON object."""


class TriggerSource(Model):
    kubernetes_event: KubernetesEvent | None = None
    """Events of Kubernetes."""
    webhook: TriggerWebhook | None = None
    """Requests from outside."""


TriggerSource.cel = (
    Rule(
        rule="has(self.kubernetesEvent) != has(self.webhook)",
        message="set exactly one of kubernetesEvent and webhook",
    ),
)


class TriggerSpec(Model):
    instance_ref: Name
    """SympoziumInstance in the same namespace that runs."""
    task: Annotated[str, Field(min_length=1, max_length=65536)]
    """What to do, in plain words. `{{ expression }}` stands for the value of a CEL expression over `event`."""
    source: TriggerSource
    """What causes runs."""
    dedupe_key: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """CEL expression over `event`: events of one key are one matter during the cooldown. Without it, what the source takes for one."""
    cooldown: Duration = "5m"
    """How long after a run a further event of its key makes none."""
    max_runs_per_hour: Annotated[int, Field(ge=1, le=3600)] = 10
    """Runs of this trigger within an hour at most."""
    suspend: bool | None = None
    """Set to true to make no runs. What happens meanwhile is not made up for."""


class SeenEvents(Model):
    resource_version: str
    """Of the last Event that was dealt with."""
    time: Time
    """When it happened."""


class TriggerWebhookStatus(Model):
    path: str
    """Where requests go, at the API server."""
    key_digest: str | None = None
    """Of the token, by a key of the installation; from it the API server knows the token, and nobody learns it."""


class TriggerStatus(Status):
    last_fired_at: Time | None = None
    """When the last run was made."""
    last_run_name: str | None = None
    """Name of the last run."""
    fired_count: Annotated[int, Field(ge=0)] | None = None
    """Runs made so far."""
    suppressed_count: Annotated[int, Field(ge=0)] | None = None
    """Events that made none: within the cooldown, beyond the limit of an hour, or suspended."""
    last_suppressed: str | None = None
    """Why the last of them made none."""
    seen: SeenEvents | None = None
    """Where the trigger stands among the Events of Kubernetes."""
    webhook: TriggerWebhookStatus | None = None
    """Where requests go."""


class SympoziumTrigger(Resource):
    """Runs of an instance that events cause."""

    kind: Literal["SympoziumTrigger"] = "SympoziumTrigger"
    spec: TriggerSpec
    status: TriggerStatus = Field(default_factory=TriggerStatus)

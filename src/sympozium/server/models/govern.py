"""Approvals, packs, schedules, policies, skills and instances, as lists show them, and what is done with them."""

from typing import Any, Literal

from pydantic import Field

from sympozium.actions.policies.cases import RunSeen
from sympozium.api.approval import Decision, Scope
from sympozium.server.models.base import YAML_LIMIT, ApiModel, KubeObject
from sympozium.server.models.runs import RunSummary


class Preview(ApiModel):
    """What a call would do, as far as it could be said. Text of a model: never markup."""

    kind: str
    text: str = ""
    truncated: bool = False
    problem: str | None = None


class ApprovalSummary(ApiModel):
    """`mayDecide`: it waits, and the caller may decide. `instance` is null where the run is gone or not theirs to see."""

    namespace: str
    name: str
    run: str
    instance: str | None
    tool: str
    target: str | None
    args: Any
    args_digest: str
    preview: Preview | None
    reason: str | None
    requested_at: str
    expires_at: str | None
    decision: Decision | None
    decided_by: str | None
    decided_at: str | None
    comment: str | None
    scope: Scope | None
    may_decide: bool


class Approvals(ApiModel):
    """`partial`: not all namespaces were looked at, for want of the right. `left`: decided ones beyond the newest that are here."""

    items: list[ApprovalSummary]
    partial: bool
    left: int = 0


class Denial(ApiModel):
    """`argsDigest` is that of what the person saw: 409 when the request is about another call."""

    comment: str | None = Field(default=None, max_length=4096)
    args_digest: str | None = None


class Approval(Denial):
    """`scope` `run` lets the same arguments through again in that run."""

    scope: Scope | None = None


class PersonaState(ApiModel):
    """One of a team. `instance` and what follows it are null until it is installed, or where the caller may not list them."""

    name: str
    display_name: str | None
    model: str | None
    skills: list[str]
    policy: str | None
    schedule: str | None
    excluded: bool
    instance: str | None
    phase: str | None
    last_run: RunSummary | None
    next_run: str | None


class PackSummary(ApiModel):
    """`enabledIn`: where a pack of this name is at work. `warnings`: what its conditions complain of."""

    namespace: str
    name: str
    description: str | None
    category: str | None
    version: str | None
    enabled: bool
    enabled_in: list[str]
    catalogue: bool
    phase: str | None
    personas: list[PersonaState]
    warnings: list[str]


class SecretReference(ApiModel):
    secret: str = Field(min_length=1, max_length=253)
    provider: str | None = None


class EnablePack(ApiModel):
    """Fields of the pack's spec to set; what is left out stays, null takes away."""

    model: str | None = None
    provider: str | None = None
    base_url: str | None = Field(default=None, alias="baseURL")
    auth_refs: list[SecretReference] | None = None
    policy_ref: str | None = None
    exclude_personas: list[str] | None = None
    task_override: str | None = None


class PastTick(ApiModel):
    """A run that a schedule made. `at` is the tick, or when it was asked for."""

    at: str
    run: str
    phase: str


class ScheduleSummary(ApiModel):
    """`missed`: ticks that made no run, as Kubernetes Events still tell (about an hour); null for who may not read those."""

    namespace: str
    name: str
    instance: str
    schedule: str
    time_zone: str | None
    type: str
    suspended: bool
    phase: str | None
    task: str
    past: list[PastTick]
    next: list[str]
    missed: int | None


class Fired(ApiModel):
    """The run that comes of it, as soon as the controller has seen the order."""

    namespace: str
    name: str
    warnings: list[str]


class PolicySummary(ApiModel):
    """`effective` is the spec with every default written out, as YAML."""

    namespace: str
    name: str
    object: KubeObject
    bound_instances: int
    effective: str


class PolicyText(ApiModel):
    yaml: str = Field(min_length=1, max_length=YAML_LIMIT)


class PolicyFinding(ApiModel):
    """`error`: admission refuses it; `warning`: probably not meant. `hint` is a cure."""

    severity: Literal["error", "warning"]
    line: int
    path: str
    message: str
    hint: str | None = None


class PolicyFindings(ApiModel):
    findings: list[PolicyFinding]


class ObjectKey(ApiModel):
    namespace: str
    name: str


class TriedCall(ApiModel):
    """`target` is the container that executes; the usual one when absent."""

    tool: str = Field(min_length=1, max_length=253)
    target: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)


class PolicyTrial(ApiModel):
    """The policy is `yaml`, or `policy`, or that of `instance`. `run` is what `when` sees as `run`."""

    yaml: str | None = Field(default=None, max_length=YAML_LIMIT)
    policy: ObjectKey | None = None
    instance: ObjectKey | None = None
    call: TriedCall
    run: RunSeen | None = None


class LayerAnswer(ApiModel):
    """What one policy says by itself. `index` is that of the rule that decided; null for a default or a feature gate."""

    policy: str
    source: str
    index: int | None
    rule: str
    reason: str
    action: str
    watches: bool


class PolicyAnswer(ApiModel):
    """`unread`: what is not part of this answer, and why."""

    action: str
    rule: str
    reason: str
    instead: str
    layers: list[LayerAnswer]
    unread: list[str]


class BacktestOrder(ApiModel):
    """The candidate is `yaml`, or the policy called `name`. `namespace` null judges the runs of all."""

    yaml: str | None = Field(default=None, max_length=YAML_LIMIT)
    name: str | None = None
    namespace: str | None = None
    instance: str | None = None
    limit: int = Field(default=100, ge=1, le=500)
    since: str = "30d"


class BacktestChange(ApiModel):
    namespace: str
    run: str
    call_id: str
    tool: str
    target: str
    args: Any
    before: str
    after: str
    rule: str
    reason: str


class BacktestAnswer(ApiModel):
    """`unread`: runs without a transcript, and what else is not part of this answer. `left`: older runs beyond the limit.

    `partial`: calls of whose arguments the record has a part; `when` may decide otherwise on the whole.
    """

    runs: int
    calls: int
    changes: list[BacktestChange]
    unread: list[str]
    left: int
    partial: int


class Skill(ApiModel):
    name: str
    description: str | None = None
    content: str


class Right(ApiModel):
    """A rule of RBAC that a skill asks for; `cluster`: in all namespaces."""

    api_groups: list[str]
    resources: list[str]
    verbs: list[str]
    cluster: bool


class SkillSummary(ApiModel):
    """`sidecar` is the image of its container. `usedBy` are `namespace/name` of instances that the caller may list."""

    namespace: str
    name: str
    description: str | None
    category: str | None
    version: str | None
    phase: str | None
    skills: list[Skill]
    sidecar: str | None
    rights: list[Right]
    used_by: list[str]


class Endpoint(ApiModel):
    status: str | None = None
    url: str | None = None
    auth_secret_name: str | None = None


class InstanceSummary(ApiModel):
    namespace: str
    name: str
    display_name: str | None
    model: str
    provider: str | None
    base_url: str | None = Field(alias="baseURL")
    policy: str | None
    skills: list[str]
    pack: str | None
    phase: str | None
    conditions: list[KubeObject]
    active: int
    total: int
    last_run: RunSummary | None
    endpoint: Endpoint | None

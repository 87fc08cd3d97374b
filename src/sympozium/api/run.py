# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""AgentRun: one execution of an agent.

The spec does not change once it is written, except `cancel` and `suspend`: what ran can be read from the object
afterwards. A terminal phase never changes, whoever writes the status; the rule is in the schema, so it holds
without the webhook.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from sympozium.api.base import SET_LIST, Duration, Model, Name, Rule, Time
from sympozium.api.conversation import ForkFrom, Said
from sympozium.api.shared import (
    Parent,
    Resource,
    ResourceRequirements,
    SeccompProfile,
    SkillRef,
    Status,
    Strings,
    Thinking,
    ToolPolicy,
)

Phase = Literal[
    "Pending", "Queued", "Running", "AwaitingApproval", "Serving", "Succeeded", "Failed", "Cancelled"
]
TERMINAL: Final[frozenset[str]] = frozenset({"Succeeded", "Failed", "Cancelled"})
FINALIZER: Final = "sympozium.ai/run"
"""On a run from before it has anything that must be taken away, until that is gone."""
TriggerKind = Literal["Manual", "Schedule", "Trigger", "Channel", "Agent", "API"]
MUTABLE: Final[frozenset[str]] = frozenset({"cancel", "suspend"})
"""Fields of the spec (JSON names) that may change after creation."""


class ModelSpec(Model):
    """The model of one run. Parts that are absent are filled from the instance."""

    provider: Annotated[str, Field(max_length=63)] | None = None
    """Provider of the model."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Name of the model, as its endpoint knows it."""
    base_url: Annotated[str, Field(json_schema_extra={"pattern": "^https?://"})] | None = None
    """OpenAI-compatible endpoint."""
    thinking: Thinking | None = None
    """Effort of models that reason."""
    auth_secret_ref: Name | None = None
    """Secret whose keys become environment of the agent container, besides the instance's authRefs."""


class Capabilities(Model):
    drop: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Linux capabilities to take away; `ALL` takes all."""


class SecurityContext(Model):
    read_only_root_filesystem: bool | None = None
    """The image cannot be written to."""
    run_as_non_root: bool | None = None
    """Refuse to run as user 0."""
    capabilities: Capabilities | None = None
    """Linux capabilities."""
    seccomp_profile: SeccompProfile | None = None
    """Filter of system calls."""


class RunSandbox(Model):
    """The container in which the commands of the model run."""

    enabled: bool
    """Make the image of that container read-only; it has no capabilities and no root in any case. A policy may require it."""
    image: Annotated[str, Field(min_length=1)] | None = None
    """Image of that container."""
    security_context: SecurityContext | None = None
    """What that container may do."""
    resources: ResourceRequirements | None = None
    """CPU and memory of that container."""


class Trigger(Model):
    """What caused a run. The webhook sets it from the request; what a client writes is replaced."""

    kind: TriggerKind
    """Kind of cause."""
    name: str | None = None
    """Name of the object that caused it, such as a schedule."""
    user: str | None = None
    """Kubernetes user who created the run."""


class RunSpec(Model):
    instance_ref: Name
    """SympoziumInstance in the same namespace that runs."""
    task: Annotated[str, Field(min_length=1, max_length=262144)]
    """What to do, in plain words."""
    agent_id: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Agent of the instance; filled with `default`."""
    session_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Conversation that the run belongs to; filled with a key of its own."""
    model: ModelSpec | None = None
    """Model; filled from the instance."""
    parent: Parent | None = None
    """Run that started this one."""
    system_prompt: str | None = None
    """Replaces the instance's system prompt."""
    timeout: Duration | None = None
    """Longest time of the run, from its start; filled from the instance."""
    cleanup: Literal["delete", "keep"] = "delete"
    """Whether the pod goes when the run has ended."""
    mode: Literal["task", "server"] = "task"
    """`task` ends with a result."""
    sandbox: RunSandbox | None = None
    """Where commands run; filled from the instance and, when its policy requires one, from the policy."""
    skills: list[SkillRef] = []
    """Skills; filled from the instance when there are none."""
    tool_policy: ToolPolicy | None = None
    """Tools of this run; narrowed by the instance's toolPolicy and by the policy."""
    trigger: Trigger | None = None
    """What caused the run."""
    cancel: bool | None = None
    """Set to true to end the run as Cancelled."""
    suspend: bool | None = None
    """Set to true to keep the run from starting, or, when it has started, to freeze it: no tool call and no step begins until it is false again."""
    env: Strings = {}
    """Environment variables of the container that runs the commands."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a pod that failed is started again."""
    history: Annotated[list[Said], Field(max_length=1000)] = []
    """What was said before the task in this conversation, oldest first."""
    fork_from: ForkFrom | None = None
    """Begin with the conversation of another run, up to one of its steps. A task that differs from that run's is the next message."""


class TokenUsage(Model):
    input_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens read by the model."""
    output_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens written by the model."""
    total_tokens: Annotated[int, Field(ge=0)] = 0
    """Sum of both."""
    tool_calls: Annotated[int, Field(ge=0)] = 0
    """Tool calls that were made."""
    duration_ms: Annotated[int, Field(ge=0)] = 0
    """Milliseconds from start to end."""


class EnforcedPolicy(Model):
    name: str
    """SympoziumPolicy that governs the run."""
    generation: Annotated[int, Field(ge=0)]
    """Its generation, as the tool server has applied it."""
    digest: str | None = None
    """`sha256:` over all policies that hold for the run: its own, the floor, those of its parents."""


class AuditHead(Model):
    """Where the run's audit chain stands. An exported record that ends elsewhere is not the whole."""

    entries: Annotated[int, Field(ge=0)]
    """Entries so far."""
    hash: Annotated[str, Field(json_schema_extra={"pattern": "^sha256:[0-9a-f]{64}$"})]
    """Hash of the last entry, which covers all before it."""


class QueuePlace(Model):
    position: Annotated[int, Field(ge=0)]
    """Runs that go first."""
    reason: str
    """What it waits for, for people."""


class RunStatus(Status):
    phase: Phase | None = None
    """Where the run stands."""
    pod_name: str | None = None
    """Its pod."""
    job_name: str | None = None
    """Its Job."""
    started_at: Time | None = None
    """When its pod began."""
    completed_at: Time | None = None
    """When it ended."""
    result: str | None = None
    """The final answer; above 32 KiB the head, the whole is in the transcript."""
    error: str | None = None
    """What went wrong, for people."""
    reason: Annotated[str, Field(json_schema_extra={"pattern": "^[A-Z][A-Za-z0-9]*$"})] | None = None
    """Why it is in its phase: a word that a program can switch on."""
    exit_code: int | None = None
    """Exit code of the agent container."""
    token_usage: TokenUsage | None = None
    """What the run used; kept for failed runs too."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Model calls so far."""
    policy: EnforcedPolicy | None = None
    """What is enforced."""
    audit: AuditHead | None = None
    """End of the run's record."""
    queue: QueuePlace | None = None
    """Place in the queue, while Queued."""
    deployment_name: str | None = None
    """Deployment of a run that serves."""
    service_name: str | None = None
    """Service of a run that serves."""
    trace_id: str | None = None
    """Trace of the run."""


def _immutable(field: str) -> Rule:
    """Value and presence of a field of the spec stay as they are."""
    return Rule(
        rule=f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        message="the spec of a run does not change after creation, except cancel and suspend: create a new run",
        field_path=f".{field}",
        reason="FieldValueForbidden",
    )


RunSpec.cel = tuple(
    _immutable(str(field.alias)) for field in RunSpec.model_fields.values() if field.alias not in MUTABLE
)


class AgentRun(Resource):
    """One execution of an agent: a task, run to a result under a policy."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!has(oldSelf.status) || !has(oldSelf.status.phase)"
            " || !(oldSelf.status.phase in ['Succeeded', 'Failed', 'Cancelled'])"
            " || (has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)",
            message="the run has ended: a terminal phase never changes",
            field_path=".status.phase",
            reason="FieldValueForbidden",
        ),
    )

    kind: Literal["AgentRun"] = "AgentRun"
    spec: RunSpec
    status: RunStatus = Field(default_factory=RunStatus)

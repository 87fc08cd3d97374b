# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""SympoziumPolicy: what agents may do."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sympozium.api.base import SET_LIST, Duration, Model, Quantity, Rule
from sympozium.api.shared import RBACRule, Resource, SeccompProfile, Status

Action = Literal["allow", "deny", "ask"]
Enforcement = Literal["Enforce", "Audit"]
FeatureGate = Literal["browser-automation", "code-execution", "file-access", "sub-agents"]


class ToolRule(Model):
    tool: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of a tool, or a glob over names (`*`, `?`, `[...]`)."""
    action: Action
    """`ask` lets a person decide each call."""
    target: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Glob over the container that executes: a skill's name, or `shell`. Without it the rule holds for all."""
    when: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """CEL expression over `args`, `tool`, `target` and `run` that must be true for the rule to match. It is limited in cost; one that fails, or is neither true nor false, denies the call, whatever the action."""
    reason: Annotated[str, Field(max_length=1024)] | None = None
    """Told to the model and to the person who is asked."""


class ToolGating(Model):
    default_action: Action = "allow"
    """For tools that no rule names."""
    rules: list[ToolRule] = []
    """The first rule that matches decides."""


class SandboxPolicy(Model):
    required: bool
    """Runs must have a sandbox: it is switched on for runs that do not mention it, and a run that switches it off is refused."""
    default_image: Annotated[str, Field(min_length=1)] | None = None
    """Image of sandboxes that name none."""
    max_cpu: Quantity | None = None
    """Most CPU that a sandbox may have; its limit when it sets none."""
    max_memory: Quantity | None = None
    """Most memory that a sandbox may have; its limit when it sets none."""
    allow_host_mounts: bool = False
    """Whether skill packs with hostAccess may be used."""
    seccomp_profile: SeccompProfile | None = None
    """Filter of system calls of every container of the run."""


class SubagentPolicy(Model):
    max_depth: Annotated[int, Field(ge=0)] = 3
    """Levels of runs beneath a run that no run started; 0 lets no run start another."""
    max_concurrent: Annotated[int, Field(ge=0)] = 5
    """Child runs at the same time."""


class EgressRule(Model):
    host: Annotated[str, Field(min_length=1, max_length=253)]
    """DNS name, IP address or CIDR."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port; without it all ports."""


class NetworkRules(Model):
    deny_all: bool = True
    """Refuse all egress but what the next fields allow. Without `networkPolicy` egress is free."""
    allow_dns: bool = True
    """Name resolution."""
    allow_event_bus: bool = True
    """The event bus, which a run needs to report."""
    allowed_egress: list[EgressRule] = []
    """Other destinations, besides the run's model endpoint."""
    when_unenforced: Literal["Refuse", "Allow"] = "Refuse"
    """What to do with runs where nothing enforces network policies, as `sympozium doctor` finds out: refuse them, or let them run with a condition that says so."""


class Approvals(Model):
    timeout: Duration = "1h"
    """How long a call waits for a person."""
    on_timeout: Literal["deny"] = "deny"
    """What happens then."""


class ModelPolicy(Model):
    allowed_models: list[str] = []
    """Globs over model names; empty allows all."""
    allowed_providers: list[str] = []
    """Names of providers; empty allows all."""


class ImagePolicy(Model):
    allowed_registries: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Registries, with leading path segments if wanted (`ghcr.io/sympozium`), compared segment by segment; empty allows all."""


class RBACPolicy(Model):
    """What skill packs may be granted. A pack that asks for more gets the intersection, visibly."""

    allow: list[RBACRule] = []
    """Rights that may be granted, and no others. A wildcard never covers Secrets, RBAC and tokens: name them. Empty grants reads of anything else."""
    deny: list[RBACRule] = []
    """Rights that may not; wins over `allow`."""


class PolicySpec(Model):
    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!has(self.featureGates) || self.featureGates.all(gate, gate in "
            "['browser-automation', 'code-execution', 'file-access', 'sub-agents'])",
            message="unknown feature gate: known are browser-automation, code-execution, file-access, sub-agents",
            field_path=".featureGates",
        ),
    )

    tool_gating: ToolGating | None = None
    """Which tools may be called."""
    sandbox_policy: SandboxPolicy | None = None
    """Limits of the container that runs commands."""
    subagent_policy: SubagentPolicy | None = None
    """Limits of runs that runs start."""
    network_policy: NetworkRules | None = None
    """Where the pod of a run may connect to."""
    feature_gates: Annotated[dict[str, bool], Field(max_length=32)] = {}
    """Capabilities by name: browser-automation, code-execution, file-access, sub-agents. False takes away the tools that need it."""
    approvals: Approvals | None = None
    """How long calls wait for a person."""
    model_policy: ModelPolicy | None = None
    """Which models may be used."""
    image_policy: ImagePolicy | None = None
    """Where images of sandboxes and skills may come from."""
    rbac_policy: RBACPolicy | None = None
    """Which Kubernetes rights skill packs may have. Without it: reads of anything but Secrets, RBAC and tokens."""
    enforcement: Enforcement = "Enforce"
    """`Audit` lets pass what this policy would refuse, ask about or cut, and records it: for trying a policy out."""


class PolicyStatus(Status):
    bound_instances: Annotated[int, Field(ge=0)] | None = None
    """Instances that this policy governs."""


class SympoziumPolicy(Resource):
    """What the agents bound to it may do: tools, sandbox, network, models, rights."""

    kind: Literal["SympoziumPolicy"] = "SympoziumPolicy"
    spec: PolicySpec = Field(default_factory=PolicySpec)
    status: PolicyStatus = Field(default_factory=PolicyStatus)

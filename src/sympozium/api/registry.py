"""The kinds, and where the API serves them."""

from dataclasses import dataclass, field
from typing import Final

from sympozium.api.approval import ApprovalRequest
from sympozium.api.base import Object
from sympozium.api.config import SympoziumConfig
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import GROUP, VERSION
from sympozium.api.personapack import PersonaPack
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.api.schedule import SympoziumSchedule
from sympozium.api.shared import Resource
from sympozium.api.skillpack import SkillPack
from sympozium.api.trigger import SympoziumTrigger


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: what `kubectl get` shows."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its model, and its names in URLs and commands."""

    model: type[Resource]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    group: str = GROUP
    version: str = VERSION
    categories: tuple[str, ...] = field(default=("sympozium",))
    reconciled: bool = True
    """Whether controllers bring the world to what its objects say; False for those that only ask something."""

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{self.group}"


_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        SympoziumInstance, "sympoziuminstances", "sinst",
        (
            Column("Phase", ".status.phase"),
            Column("Model", ".spec.agents.default.model"),
            Column("Policy", ".spec.policyRef"),
            Column("Active", ".status.activeAgentPods", "integer"),
            Column("Runs", ".status.totalAgentRuns", "integer"),
            _AGE,
            Column("Display name", ".spec.displayName", priority=1),
        ),
    ),
    Kind(
        AgentRun, "agentruns", "arun",
        (
            Column("Instance", ".spec.instanceRef"),
            Column("Phase", ".status.phase"),
            Column("Reason", ".status.reason"),
            Column("Steps", ".status.steps", "integer"),
            Column("Trigger", ".spec.trigger.kind"),
            _AGE,
            Column("Model", ".spec.model.model", priority=1),
            Column("Pod", ".status.podName", priority=1),
            Column("Tokens", ".status.tokenUsage.totalTokens", "integer", 1),
        ),
    ),
    Kind(
        SympoziumPolicy, "sympoziumpolicies", "spol",
        (
            Column("Default", ".spec.toolGating.defaultAction"),
            Column("Sandbox", ".spec.sandboxPolicy.required", "boolean"),
            Column("Bound", ".status.boundInstances", "integer"),
            _AGE,
        ),
    ),
    Kind(
        SkillPack, "skillpacks", "skill",
        (
            Column("Phase", ".status.phase"),
            Column("Skills", ".status.skillCount", "integer"),
            Column("Category", ".spec.category"),
            Column("Version", ".spec.version"),
            _AGE,
            Column("Image", ".spec.sidecar.image", priority=1),
            Column("Source", ".spec.source", priority=1),
        ),
    ),
    Kind(
        SympoziumSchedule, "sympoziumschedules", "ssched",
        (
            Column("Instance", ".spec.instanceRef"),
            Column("Schedule", ".spec.schedule"),
            Column("Phase", ".status.phase"),
            Column("Last run", ".status.lastRunTime", "date"),
            Column("Next run", ".status.nextRunTime"),
            Column("Runs", ".status.totalRuns", "integer"),
            _AGE,
            Column("Type", ".spec.type", priority=1),
        ),
    ),
    Kind(
        SympoziumTrigger, "sympoziumtriggers", "strig",
        (
            Column("Instance", ".spec.instanceRef"),
            _READY,
            Column("Fired", ".status.firedCount", "integer"),
            Column("Suppressed", ".status.suppressedCount", "integer"),
            Column("Last fired", ".status.lastFiredAt", "date"),
            _AGE,
            Column("Last run", ".status.lastRunName", priority=1),
        ),
    ),
    Kind(
        PersonaPack, "personapacks", "ppack",
        (
            Column("Enabled", ".spec.enabled", "boolean"),
            Column("Phase", ".status.phase"),
            Column("Personas", ".status.personaCount", "integer"),
            Column("Installed", ".status.installedCount", "integer"),
            _AGE,
            Column("Category", ".spec.category", priority=1),
            Column("Description", ".spec.description", priority=1),
        ),
    ),
    Kind(
        ApprovalRequest, "approvalrequests", "appr",
        (
            Column("Run", ".spec.runRef"),
            Column("Tool", ".spec.tool"),
            Column("Target", ".spec.target"),
            Column("Decision", ".status.decision"),
            Column("By", ".status.decidedBy"),
            Column("Expires", ".spec.expiresAt"),
            _AGE,
        ),
        reconciled=False,
    ),
    Kind(
        SympoziumConfig, "sympoziumconfigs", "sconf",
        (
            Column("Model", ".spec.model"),
            Column("Default policy", ".spec.defaultPolicyRef"),
            Column("Floor policy", ".spec.floorPolicyRef"),
            _READY,
            _AGE,
        ),
    ),
)  # fmt: skip

BY_KIND: Final[dict[str, Kind]] = {kind.kind: kind for kind in KINDS}
BY_PLURAL: Final[dict[str, Kind]] = {kind.plural: kind for kind in KINDS}


def parse(document: Object) -> Resource:
    """The model of an object, by its `kind`. Raises KeyError for other kinds, ValidationError for bad fields."""
    return BY_KIND[document["kind"]].model.model_validate(document)

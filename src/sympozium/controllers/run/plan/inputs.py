"""What a plan depends on, and what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.conversation import Turn
from sympozium.api.images import Images
from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import AgentRun
from sympozium.api.shared import RBACRule
from sympozium.api.skillpack import Sidecar, SkillPack
from sympozium.controllers.run.plan import names
from sympozium.policy import Effective
from sympozium.telemetry.tracecontext import TraceContext

PUBLIC_MODEL_ENDPOINT: Final = "https://api.openai.com/v1"
"""Where the OpenAI client goes when nobody says otherwise."""


class PlanError(Exception):
    """The run cannot be planned as it is; the text says what is wrong and what to do."""

    reason: ClassVar[str] = "PlanFailed"
    """`status.reason` of a run that ends of it."""


class PodSecurityError(PlanError):
    """The API server would not let the pod in, because of what its skills want of the node."""

    reason: ClassVar[str] = "PodSecurity"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """How a skill reaches the Kubernetes API from its pod."""

    host: str
    port: int
    ca: bytes


Service = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The pods behind a Service: their labels, and which of their ports, by number or name, is behind which of its."""

    selector: Mapping[str, str]
    ports: Mapping[int, int | str]


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill pack of a run with a container. `params` are those of the run's SkillRef."""

    pack: SkillPack
    sidecar: Sidecar
    params: Mapping[str, str]

    @property
    def container(self) -> str:
        return names.skill_container(self.pack.name)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a plan is a function of. `run.spec` is filled; `packs` has those of its skills by name."""

    run: AgentRun
    instance: SympoziumInstance
    policy: Effective
    config: ConfigSpec
    packs: Mapping[str, SkillPack]
    images: Images
    api_server: ApiServer
    bus_url: str
    model_endpoint: str
    """Resolved URL of the model; only the network policy needs it."""
    grantable: Sequence[RBACRule]
    """The rules of ClusterRole `sympozium-grantable`."""
    owner: Object
    """ownerReference to the run."""
    trace: TraceContext
    """The run's own span."""
    traced: bool = False
    """Whether spans of the run are sent."""
    backends: Mapping[Service, Backend] = field(default_factory=dict)
    """Of the Services in `network.services`, those that select pods."""
    api_addresses: Sequence[tuple[str, int]] = ()
    """Of the API servers behind `api_server`, where that is the address of a Service."""
    occasion: str = ""
    """In words, why the run was started; told to the agent."""
    history: Sequence[Turn] = ()
    """What was said before the task."""
    goes_on: bool = False
    """The task is in the history already, and the model goes on from there."""
    notes: str | None = None
    """What earlier runs of the agent noted; None for a run that has no notes."""

    @property
    def skills(self) -> list[Skill]:
        """Those with a container, in the order of the spec, each once."""
        found: dict[str, Skill] = {}
        for reference in self.run.spec.skills:
            pack = self.packs.get(reference.skill_pack_ref or "")
            if pack is not None and pack.spec.sidecar is not None:
                found.setdefault(pack.name, Skill(pack, pack.spec.sidecar, reference.params))
        return list(found.values())


@dataclass(slots=True)
class Plan:
    """Manifests in the order in which they are applied; the Job is last and apart, since Secrets go before it."""

    objects: list[Object] = field(default_factory=list)
    job: Object = field(default_factory=dict)
    skill_accounts: dict[str, str] = field(default_factory=dict)
    """Skill pack -> ServiceAccount, for packs with rights of their own: each needs a token."""
    conditions: list[Object] = field(default_factory=list)
    """What was cut or cannot be expressed."""

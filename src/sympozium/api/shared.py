# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""Parts that several kinds have in common."""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from sympozium.api.base import SET_LIST, Model, Name, Object, Quantity, Rule, map_list
from sympozium.api.meta import API_VERSION, Condition, ObjectMeta

Thinking = Literal["off", "low", "medium", "high"]
Strings = dict[str, str]
Conditions = Annotated[list[Condition], Field(json_schema_extra=map_list("type"))]
RunType = Literal["heartbeat", "scheduled", "sweep"]


class Resource(Model):
    """A custom resource: `apiVersion`, `kind`, `metadata`, and in its subclasses `spec` and `status`."""

    model_config = ConfigDict(extra="forbid")

    api_version: Literal["sympozium.ai/v1alpha1"] = API_VERSION
    kind: str
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    def to_json(self) -> Object:
        """The object as it is applied: `apiVersion` and `kind` always, nothing that nobody set."""
        return {"apiVersion": self.api_version, "kind": self.kind, **super().to_json()}


class Status(Model):
    """What every status has."""

    observed_generation: Annotated[int, Field(ge=-1)] | None = None
    """Generation of the spec that this status was computed from; -1 until a controller has seen the object."""
    conditions: Conditions = []
    """Aspects of the state, each with a reason and a message."""


class SecretRef(Model):
    """A Secret whose keys become environment variables of the agent container."""

    provider: Annotated[str, Field(max_length=63)] | None = None
    """Model provider that the Secret belongs to, for people; all keys are passed on whatever it says."""
    secret: Name
    """Name of the Secret, in the namespace of the run."""


class SkillRef(Model):
    """Skills of an agent: a SkillPack or a ConfigMap."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="has(self.skillPackRef) != has(self.configMapRef)",
            message="name one of skillPackRef and configMapRef",
        ),
    )

    skill_pack_ref: Name | None = None
    """Name of a SkillPack, looked up in this namespace, then in the system namespace."""
    config_map_ref: Name | None = None
    """Name of a ConfigMap in this namespace whose values are instructions in Markdown."""
    params: Strings = {}
    """Parameters of the skill; `key` becomes the environment variable `SKILL_KEY` of its container."""


class ResourceRequirements(Model):
    """https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"""

    requests: dict[str, Quantity] = {}
    """Amounts that the container is given in any case."""
    limits: dict[str, Quantity] = {}
    """Amounts that the container may not exceed."""


class ToolPolicy(Model):
    """Tools that a run asks to be given or to be spared. It narrows its policy, never widens it."""

    allow: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Names or globs of the only tools to offer; empty offers all that the policy allows."""
    deny: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Names or globs of tools not to offer; wins over `allow`."""


class PolicyKey(Model):
    """A SympoziumPolicy, wherever it is."""

    namespace: Name
    """Its namespace."""
    name: Name
    """Its name."""


class Parent(Model):
    """The run that started this one, and what it hands down. Authority only narrows on the way.

    Whoever creates the object says `runName`; the webhook writes the rest from the parent as it is.
    """

    run_name: Name
    """Name of the parent run."""
    session_key: str
    """Session of the parent run."""
    spawn_depth: Annotated[int, Field(ge=0)]
    """Levels above this run: 1 for a run that was started by one that nobody started."""
    policies: Annotated[list[PolicyKey], Field(max_length=64)] = []
    """Policies of all runs above, each once. They hold for this run too, as they are now, also when those runs are gone."""
    tool_policies: Annotated[list[ToolPolicy], Field(max_length=64)] = []
    """What narrowed the tools of the runs above."""


class SeccompProfile(Model):
    type: Literal["RuntimeDefault", "Unconfined", "Localhost"]
    """`RuntimeDefault` filters system calls as the container runtime does by default."""


class RBACRule(Model):
    """A rule of a Role (https://kubernetes.io/docs/reference/access-authn-authz/rbac/)."""

    api_groups: list[str]
    """API groups; `""` is the core group, `*` all."""
    resources: list[str]
    """Resources, with subresources as `pods/log`; `*` is all."""
    verbs: list[str]
    """Verbs, as `get`, `list`, `watch`, `delete`; `*` is all."""


class EnvVar(Model):
    name: Annotated[str, Field(min_length=1, json_schema_extra={"pattern": r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"})]
    """Name of the variable."""
    value: str = ""
    """Its value."""

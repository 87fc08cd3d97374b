# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""SkillPack: instructions for a model and, where wanted, a container with the tools that they need."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.api.base import Model, Name, Quantity, map_list
from sympozium.api.shared import EnvVar, RBACRule, Resource, Status


class SkillRequirements(Model):
    bins: list[str] = []
    """Programs that must be in the container."""
    tools: list[str] = []
    """Tools that the run must have."""


class Skill(Model):
    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the skill."""
    description: str | None = None
    """What it is for, in a line."""
    content: Annotated[str, Field(min_length=1)]
    """Instructions in Markdown, added to the system prompt."""
    requires: SkillRequirements | None = None
    """What the instructions take for granted."""


class RuntimeRequirements(Model):
    image: str | None = None
    """Image of the agent container."""
    sandbox: bool | None = None
    """Needs a sandbox."""
    min_memory: Quantity | None = None
    """Memory that the agent needs."""
    min_cpu: Quantity | None = None
    """CPU that the agent needs."""


class SidecarResources(Model):
    cpu: Quantity | None = None
    """CPU request and limit."""
    memory: Quantity | None = None
    """Memory request and limit."""


class HostMount(Model):
    host_path: Annotated[str, Field(json_schema_extra={"pattern": "^/"})]
    """Path on the node; it must be there."""
    mount_path: Annotated[str, Field(json_schema_extra={"pattern": "^/"})]
    """Path in the container."""
    read_only: bool = True
    """Cannot be written to; true when absent."""


class HostAccess(Model):
    enabled: bool | None = None
    """Take the following into account."""
    host_network: bool | None = None
    """Use the node's network; only under policies that leave the network open, since none holds there."""
    host_pid: bool | None = None
    """See the node's processes. The pod's other containers see them too."""
    privileged: bool | None = None
    """All rights on the node."""
    run_as_root: bool | None = None
    """Run as user 0."""
    mounts: list[HostMount] = []
    """Directories of the node."""


class SidecarPort(Model):
    name: Annotated[str, Field(min_length=1, max_length=15)]
    """Name of the port."""
    container_port: Annotated[int, Field(ge=1, le=65535)]
    """Port that the container listens on."""
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    """Protocol; TCP when absent."""


class Sidecar(Model):
    """The container of a skill: it has the pack's rights and Secret, and the agent has neither."""

    image: Annotated[str, Field(min_length=1)]
    """Image of the container; it speaks MCP on the unix socket that it is given."""
    command: list[str] = []
    """Replaces the entry point of the image."""
    env: Annotated[list[EnvVar], Field(json_schema_extra=map_list("name"))] = []
    """Environment variables of the container."""
    mount_workspace: bool = True
    """Mount the run's /workspace."""
    resources: SidecarResources | None = None
    """CPU and memory."""
    rbac: list[RBACRule] = []
    """Rights in the namespace of the run, cut to what the policy grants."""
    cluster_rbac: list[RBACRule] = []
    """Rights in the whole cluster, cut to what the policy grants."""
    secret_ref: Name | None = None
    """Secret to mount, in the namespace of the run."""
    secret_mount_path: Annotated[str, Field(json_schema_extra={"pattern": "^/"})] | None = None
    """Where; /secrets/<secretRef> when absent."""
    host_access: HostAccess | None = None
    """Access to the node, where policy (`allowHostMounts`) and the namespace's Pod Security level let it."""
    requires_server: bool | None = None
    """Only for runs that serve."""
    ports: Annotated[list[SidecarPort], Field(json_schema_extra=map_list("name"))] = []
    """Ports of the container."""


class SkillPackSpec(Model):
    skills: Annotated[list[Skill], Field(min_length=1, json_schema_extra=map_list("name"))]
    """Instructions."""
    category: str | None = None
    """For people who look for one."""
    source: str | None = None
    """Where the pack comes from."""
    version: str | None = None
    """Version of the pack."""
    runtime_requirements: RuntimeRequirements | None = None
    """What the agent container needs."""
    sidecar: Sidecar | None = None
    """Container with the pack's tools."""


class SkillPackStatus(Status):
    phase: Literal["Pending", "Ready", "Error"] | None = None
    """Where the pack stands."""
    config_map_name: str | None = None
    """ConfigMap that holds the instructions."""
    skill_count: Annotated[int, Field(ge=0)] | None = None
    """Number of skills."""


class SkillPack(Resource):
    """Instructions and tools that agents can be given."""

    kind: Literal["SkillPack"] = "SkillPack"
    spec: SkillPackSpec
    status: SkillPackStatus = Field(default_factory=SkillPackStatus)

# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""PersonaPack: a team of agents in one resource, stamped out as instances and schedules."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sympozium.api.base import SET_LIST, Duration, Label, Model, Name, Rule, map_list
from sympozium.api.shared import Resource, RunType, SecretRef, Status, Strings, ToolPolicy

BaseURL = Annotated[str, Field(json_schema_extra={"pattern": "^https?://"})]


class PersonaSchedule(Model):
    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(rule="has(self.interval) || has(self.cron)", message="give an interval or a cron expression"),
    )

    type: RunType = "heartbeat"
    """Kind of occasion, told to the agent; heartbeat when absent."""
    interval: Duration | None = None
    """Time between runs."""
    cron: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Cron expression; wins over interval."""
    task: Annotated[str, Field(min_length=1, max_length=262144)]
    """What to do, in plain words."""


class PersonaMemory(Model):
    enabled: bool = True
    """Keep notes between runs; true when absent."""
    seeds: list[str] = []
    """First notes."""


class PersonaWebEndpoint(Model):
    enabled: bool
    """Serve this agent over HTTP."""
    hostname: str | None = None
    """Host name of the endpoint."""


class Persona(Model):
    name: Label
    """Name of the persona; its instance is `<pack>-<persona>`."""
    display_name: Annotated[str, Field(max_length=253)] | None = None
    """Name to show to people."""
    system_prompt: Annotated[str, Field(min_length=1)]
    """Who the agent is and how it works."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Model; the pack's, then the installation's when absent."""
    skills: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Names of SkillPacks."""
    tool_policy: ToolPolicy | None = None
    """Tools of its runs."""
    schedule: PersonaSchedule | None = None
    """When it runs by itself; without it only on demand."""
    memory: PersonaMemory | None = None
    """Notes between runs."""
    channels: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Chat channels that it listens to."""
    web_endpoint: PersonaWebEndpoint | None = None
    """HTTP endpoint of the agent."""
    provider: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Provider of its model; the pack's when absent."""
    base_url: BaseURL | None = None
    """OpenAI-compatible endpoint; the pack's when absent."""
    policy_ref: Name | None = None
    """SympoziumPolicy; the pack's when absent."""


class PersonaPackSpec(Model):
    enabled: bool | None = None
    """False keeps the pack as an entry of the catalogue and makes nothing."""
    description: str | None = None
    """What the team does."""
    category: str | None = None
    """For people who look for one."""
    version: str | None = None
    """Version of the pack."""
    personas: Annotated[list[Persona], Field(min_length=1, json_schema_extra=map_list("name"))]
    """The team."""
    auth_refs: list[SecretRef] = []
    """Secrets whose keys become environment of the agents."""
    exclude_personas: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """Personas not to make."""
    channel_configs: Strings = {}
    """Secret with the credentials of each channel."""
    policy_ref: Name | None = None
    """SympoziumPolicy of personas that name none."""
    skill_params: dict[str, Strings] = {}
    """Parameters of each skill."""
    task_override: Annotated[str, Field(min_length=1, max_length=262144)] | None = None
    """Task of all schedules, instead of the personas' own."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Model of personas that name none."""
    provider: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Provider of personas that name none."""
    base_url: BaseURL | None = None
    """OpenAI-compatible endpoint of personas that name none."""


class InstalledPersona(Model):
    name: str
    """Name of the persona."""
    instance_name: str
    """Its SympoziumInstance."""
    schedule_name: str | None = None
    """Its SympoziumSchedule."""


class PersonaPackStatus(Status):
    phase: Literal["Pending", "Ready", "Error", "Inactive"] | None = None
    """Where the pack stands; Inactive is an entry of the catalogue."""
    persona_count: Annotated[int, Field(ge=0)] | None = None
    """Personas in the spec."""
    installed_count: Annotated[int, Field(ge=0)] | None = None
    """Personas that have an instance."""
    installed_personas: Annotated[list[InstalledPersona], Field(json_schema_extra=map_list("name"))] = []
    """What was made."""


class PersonaPack(Resource):
    """A team of agents: identities, policies, skills and schedules in one resource."""

    kind: Literal["PersonaPack"] = "PersonaPack"
    spec: PersonaPackSpec
    status: PersonaPackStatus = Field(default_factory=PersonaPackStatus)

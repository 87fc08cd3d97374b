# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""SympoziumInstance: the identity of an agent, from which its runs are filled in."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.api.base import SET_LIST, Duration, Model, Name, Time, map_list
from sympozium.api.observability import Observability
from sympozium.api.shared import (
    Resource,
    ResourceRequirements,
    SecretRef,
    SkillRef,
    Status,
    Strings,
    Thinking,
    ToolPolicy,
)

Phase = Literal["Pending", "Running", "Serving", "Error"]


class InstanceSandbox(Model):
    """The container in which the commands of the model run."""

    enabled: bool
    """Make the image of that container read-only; it has no capabilities and no root in any case. A policy may require it."""
    image: Annotated[str, Field(min_length=1)] | None = None
    """Image of that container."""
    resources: ResourceRequirements | None = None
    """CPU and memory of that container."""


class SubagentLimits(Model):
    max_depth: Annotated[int, Field(ge=0)] = 2
    """Levels of runs beneath a run of this instance."""
    max_concurrent: Annotated[int, Field(ge=0)] = 5
    """Child runs at the same time, over all levels."""
    max_children_per_agent: Annotated[int, Field(ge=0)] = 3
    """Child runs that one run may start."""


class AgentConfig(Model):
    """How an agent thinks and how long."""

    model: Annotated[str, Field(min_length=1)]
    """Name of the model, as its endpoint knows it."""
    base_url: Annotated[str, Field(json_schema_extra={"pattern": "^https?://"})] | None = None
    """OpenAI-compatible endpoint. Without it `OPENAI_BASE_URL` of an authRefs Secret decides."""
    thinking: Thinking | None = None
    """Effort of models that reason."""
    sandbox: InstanceSandbox | None = None
    """Where commands run."""
    subagents: SubagentLimits | None = None
    """Limits of runs that runs of this instance start."""
    provider: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Provider of the model, for records and for policies that name allowed providers."""
    run_timeout: Duration | None = None
    """Longest time of a run that sets no timeout itself."""
    env: Strings = {}
    """Environment variables of the agent container."""
    resources: ResourceRequirements | None = None
    """CPU and memory of the agent container."""
    max_steps: Annotated[int, Field(ge=1, le=10000)] = 50
    """Model calls of one run at most."""


class Agents(Model):
    default: AgentConfig
    """The agent that runs of this instance are."""


class Channel(Model):
    type: Literal["telegram", "slack", "discord", "whatsapp"]
    """Kind of channel."""
    config_ref: SecretRef | None = None
    """Secret with the channel's credentials."""


class Memory(Model):
    enabled: bool = True
    """Keep notes between runs."""
    max_size_kb: Annotated[int, Field(ge=1)] = 256
    """Size of the notes at most, in KiB."""
    system_prompt: str | None = None
    """What to note."""
    seeds: Annotated[list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(max_length=64)] = []
    """What the notes begin with, a line each, when there are none yet."""


class RateLimit(Model):
    requests_per_minute: Annotated[int, Field(ge=1)] = 60
    """Requests a minute."""
    burst_size: Annotated[int, Field(ge=1)] = 10
    """Requests at once."""


class WebEndpoint(Model):
    enabled: bool = False
    """Serve this agent over HTTP."""
    hostname: Annotated[str, Field(max_length=253)] | None = None
    """Host name under which the endpoint is served at `/` too; SympoziumConfig says which names agents may have."""
    auth_secret_ref: Name | None = None
    """Secret whose key `token` is the endpoint's key, 16 characters or more. Without it one is made: `<instance>-endpoint`."""
    rate_limit: RateLimit | None = None
    """Requests that it takes."""


class A2A(Model):
    """The Agent2Agent protocol (https://a2a-protocol.org). Key and rate limit are those of webEndpoint."""

    enabled: bool = False
    """Serve the agent's card and its A2A endpoint."""
    description: str | None = None
    """What the agent is for, on its card."""
    skills: Annotated[list[str], Field(json_schema_extra=SET_LIST)] = []
    """What it can do, on its card."""


class InstanceSpec(Model):
    agents: Agents
    """Model, limits and environment of the agent."""
    channels: list[Channel] = []
    """Chat channels that the agent listens to."""
    skills: list[SkillRef] = []
    """Skills that its runs have."""
    policy_ref: Name | None = None
    """SympoziumPolicy that governs its runs; without one the installation's default policy does."""
    auth_refs: list[SecretRef] = []
    """Secrets whose keys become environment of the agent container, such as `OPENAI_API_KEY`."""
    memory: Memory | None = None
    """Notes between runs."""
    observability: Observability | None = None
    """Traces of its runs; without it those of SympoziumConfig hold."""
    web_endpoint: WebEndpoint | None = None
    """HTTP endpoint of the agent."""
    a2a: A2A | None = None
    """Endpoint for other agents."""
    system_prompt: str | None = None
    """Who the agent is and how it works; runs may replace it."""
    display_name: Annotated[str, Field(max_length=253)] | None = None
    """Name to show to people."""
    tool_policy: ToolPolicy | None = None
    """Tools of all its runs; a run's own toolPolicy narrows it."""


class ChannelStatus(Model):
    type: str
    """Kind of channel."""
    status: Literal["Connected", "Disconnected", "Error"]
    """State of the connection."""
    last_health_check: Time | None = None
    """When it was last seen to work."""
    message: str | None = None
    """What is wrong."""


class WebEndpointStatus(Model):
    status: Literal["Pending", "Ready", "Error"]
    """State of the endpoint."""
    url: str | None = None
    """Its address."""
    auth_secret_name: str | None = None
    """Secret with its token."""
    key_digest: Annotated[str, Field(json_schema_extra={"pattern": "^hmac-sha256:[0-9a-f]{64}$"})] | None = (
        None
    )
    """HMAC of the key, by which the API server knows it without reading the Secret."""
    hostname: str | None = None
    """Host name under which it is served."""
    message: str | None = None
    """What is wrong, for people."""


class InstanceStatus(Status):
    phase: Phase | None = None
    """Where the instance stands."""
    channels: Annotated[list[ChannelStatus], Field(json_schema_extra=map_list("type"))] = []
    """State of the channels."""
    active_agent_pods: Annotated[int, Field(ge=0)] | None = None
    """Runs that have a pod now."""
    total_agent_runs: Annotated[int, Field(ge=0)] | None = None
    """Runs of this instance that exist."""
    web_endpoint: WebEndpointStatus | None = None
    """State of the HTTP endpoint."""


class SympoziumInstance(Resource):
    """The identity of an agent: its model, skills, policy and credentials."""

    kind: Literal["SympoziumInstance"] = "SympoziumInstance"
    spec: InstanceSpec
    status: InstanceStatus = Field(default_factory=InstanceStatus)

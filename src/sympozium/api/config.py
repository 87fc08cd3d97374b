# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""SympoziumConfig: defaults of the installation, the object `default` in the system namespace."""

from typing import Annotated, Final, Literal

from pydantic import Field

from sympozium.api.base import SET_LIST, Duration, Model, Name
from sympozium.api.observability import Observability
from sympozium.api.shared import Resource, SecretRef, Status

NAME: Final = "default"
HostGlob = Annotated[
    str,
    Field(
        max_length=253,
        json_schema_extra={
            "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        },
    ),
]
"""A host name, or `*.` and one: all names beneath it."""


class Images(Model):
    """Images of a run's own containers; each is the installed version's when absent."""

    agent: Annotated[str, Field(min_length=1)] | None = None
    """The model loop."""
    tools: Annotated[str, Field(min_length=1)] | None = None
    """The tool server."""
    shell: Annotated[str, Field(min_length=1)] | None = None
    """Where commands run."""
    pull_secrets: Annotated[list[Name], SET_LIST] = []
    """Secrets with credentials for the registries of a run's images, its skills' too; each namespace of agents has its own of
    that name."""


class QueueLimits(Model):
    """Runs beyond these wait; they do not fail."""

    max_concurrent_runs: Annotated[int, Field(ge=1)] | None = None
    """Runs of the installation that have a pod at the same time; without it no limit."""
    max_concurrent_runs_per_instance: Annotated[int, Field(ge=1)] | None = None
    """The same for each instance."""


class EgressComponent(Model):
    """Where `sympozium serve egress` listens, as the pods of runs reach it."""

    url: Annotated[str, Field(json_schema_extra={"pattern": "^http://"})]
    """Of the proxy: `http://sympozium-egress.sympozium-system.svc:8889`."""


class Endpoints(Model):
    """HTTP endpoints of agents."""

    hostnames: Annotated[list[HostGlob], Field(max_length=100, json_schema_extra=SET_LIST)] = ["*.localhost"]
    """Host names that instances may have, as names or globs: `*.agents.example.org`. Never one under which people reach the API server."""
    runs_history_limit: Annotated[int, Field(ge=1)] = 100
    """Ended runs of each agent's endpoint that are kept; the oldest are deleted, their records stay."""


Amount = Annotated[str, Field(json_schema_extra={"pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$"})]
"""An amount of money as a decimal number in text: JSON's numbers are rounded on their way."""


class ModelPrice(Model):
    model: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the model, or a glob such as `gpt-*`; the first of the list that matches holds."""
    input_per_million: Amount
    """What a million tokens that the model reads cost, as text: `"2.50"`."""
    output_per_million: Amount
    """What a million tokens that it writes cost."""


class Prices(Model):
    """What models cost. Costs are computed when they are shown, so a corrected price holds for the past too."""

    currency: Annotated[str, Field(json_schema_extra={"pattern": "^[A-Z]{3}$"})]
    """Of all prices, by ISO 4217: `EUR`."""
    models: Annotated[list[ModelPrice], Field(max_length=1000)]
    """Runs of a model that is not here have no cost, and the usage says so."""


class ConfigSpec(Model):
    floor_policy_ref: Name | None = None
    """SympoziumPolicy of the system namespace that holds for every run, whatever its instance says."""
    default_policy_ref: Name = "default-policy"
    """SympoziumPolicy of instances that name none."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Model of personas and packs that name none."""
    provider: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Provider of instances that name none."""
    base_url: Annotated[str, Field(json_schema_extra={"pattern": "^https?://"})] | None = None
    """OpenAI-compatible endpoint of runs that neither name one nor have authRefs."""
    auth_refs: list[SecretRef] = []
    """Secrets, in the namespace of the run, of instances that name none."""
    run_timeout: Duration = "30m"
    """Longest time of runs for which nobody set one."""
    images: Images | None = None
    """Images of a run's own containers."""
    suspend: bool | None = None
    """Set to true to stop all: no run starts, and those that go on are frozen (`sympozium stop --all`)."""
    egress: EgressComponent | None = None
    """The proxy that runs with a closed network go through. It holds destinations by name, which NetworkPolicies cannot."""
    endpoints: Endpoints | None = None
    """HTTP endpoints of agents."""
    queue: QueueLimits | None = None
    """How many runs go at the same time."""
    observability: Observability | None = None
    """Traces of the runs of instances that say nothing themselves; without it the controllers' OTEL_EXPORTER_OTLP_ENDPOINT decides."""
    prices: Prices | None = None
    """What models cost, for `usage` and the dashboard; without it there are tokens and no money."""


class NetworkProbe(Model):
    """When and where it was found out whether network policies are enforced; the condition `NetworkPolicyEnforced` says what."""

    checked_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the probe ended."""
    nodes: Annotated[str, Field(max_length=64)]
    """Digest of the set of nodes: when it changes, the probe is made again."""


class ConfigStatus(Status):
    network_probe: NetworkProbe | None = None
    """The last probe of the network."""


class SympoziumConfig(Resource):
    """Defaults of the installation."""

    kind: Literal["SympoziumConfig"] = "SympoziumConfig"
    spec: ConfigSpec = Field(default_factory=ConfigSpec)
    status: ConfigStatus = Field(default_factory=ConfigStatus)

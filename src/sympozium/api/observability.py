# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""Where traces of runs go: `spec.observability` of instances and of SympoziumConfig."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.api.base import Model, Name
from sympozium.api.shared import Strings


class Observability(Model):
    enabled: bool = False
    """Send traces of runs. They tell what a run did and how long it took, and nothing that was said in it."""
    otlp_endpoint: Annotated[str, Field(json_schema_extra={"pattern": r"^https?://[^?#@\s]+$"})] | None = None
    """OTLP endpoint: `http://collector.monitoring.svc:4318`, to which `/v1/traces` is added. Without it the installation's. One of an instance must be named in allowedEgress of its policy."""
    otlp_protocol: Literal["grpc", "http/protobuf"] | None = None
    """Protocol of the endpoint: `http/protobuf`; `grpc` is refused where traces are enabled."""
    service_name: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """`service.name` of the traces; `sympozium-agent` without it."""
    headers: Strings = {}
    """Headers sent to `otlpEndpoint`, which must be set too."""
    headers_secret_ref: Name | None = None
    """Secret whose keys are names of headers sent to `otlpEndpoint`, and its values theirs. SympoziumConfig's is in the system namespace."""
    sampling_ratio: (
        Annotated[str, Field(json_schema_extra={"pattern": r"^(0(\.[0-9]+)?|1(\.0+)?)$"})] | None
    ) = None
    """Share of traces to keep, `0.0` to `1.0`."""
    resource_attributes: Strings = {}
    """Attributes of the OpenTelemetry resource."""

"""Setting up, the doctor's findings, and what this installation is."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.server.models.base import ApiModel, KubeObject

BaseUrl = Annotated[str, Field(alias="baseURL", min_length=1, max_length=2000)]
Key = Annotated[str, Field(max_length=8192)]
Level = Literal["ok", "unknown", "failed"]
Word = Annotated[str, Field(min_length=1, max_length=253)]


class ConfiguredModel(ApiModel):
    """The model of the installation; `keySet` says whether it has a key, which is never sent."""

    provider: str
    model: str
    base_url: str = Field(alias="baseURL")
    key_set: bool
    readable: bool
    """False where the caller may not look into the Secret: then address and key are not known here."""


class FoundEndpoint(ApiModel):
    source: Literal["env", "ollama", "rehearsal", "config", "node"]
    base_url: str = Field(alias="baseURL")
    provider: str
    models: list[str]
    key_set: bool
    problem: str
    node: str
    """The node that it is on, where a node probe found it; else empty."""


class SetUp(ApiModel):
    """How far a newcomer has come. Counts are null where the caller may not list."""

    done: bool
    model: ConfiguredModel
    may_configure: bool
    """Whether the caller may change the model; endpoints are looked for on behalf of those alone."""
    found: list[FoundEndpoint]
    not_looked: list[str]
    """Nodes whose probe told nothing, each with why, and why no node was looked at."""
    packs: int | None
    runs: int | None


class TryEndpoint(ApiModel):
    """Without `key` it is the one that this endpoint has here already, if it has one."""

    base_url: BaseUrl
    key: Key | None = None
    model: Word | None = None
    namespace: Word = "default"


class TriedAnswer(ApiModel):
    model: str
    text: str
    ms: int
    tokens: int


class Tried(ApiModel):
    """`answer` is null where it did not work: then `problem` and `cure` are words for a person."""

    models: list[str]
    answer: TriedAnswer | None
    problem: str
    cure: str


class ChooseModel(ApiModel):
    """Without `key` the one that this endpoint has here already stays."""

    base_url: BaseUrl
    provider: Annotated[str, Field(min_length=1, max_length=63)]
    model: Word
    key: Key | None = None
    namespace: Word = "default"


class Chosen(ApiModel):
    written: list[str]
    warnings: list[str]


class Check(ApiModel):
    """`ok` is null for what cannot be told from here; `cure` says what to do."""

    name: str
    ok: bool | None
    level: Level
    detail: str
    cure: str


class Checks(ApiModel):
    checks: list[Check]


class Settings(ApiModel):
    """What this installation is, as the caller may see it."""

    version: str
    kubernetes: str
    server: str
    """The Kubernetes API that this installation lives in."""
    bus_connected: bool
    unready: list[str]
    """What the API server still waits for."""
    config: KubeObject | None
    """The SympoziumConfig `default`; null where there is none, or the caller may not read it."""

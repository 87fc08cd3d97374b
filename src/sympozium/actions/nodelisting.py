"""What a node probe says: the model servers of one node. It is JSON at `/models` of its health port.

Both sides are bounded: a server on the node is anybody's, and so is a pod that calls itself a probe.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sympozium.hosts import in_url

MOST_PORTS: Final = 10
_MOST_MODELS: Final = 100
_LONGEST: Final = 200

Text = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(max_length=_LONGEST)]
Url = Annotated[str, Field(alias="baseURL", max_length=_LONGEST)]


class _Part(BaseModel):
    """Unknown fields are those of a newer probe."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Server(_Part):
    """A model server; `models` is empty where it tells them only to who has its key."""

    base_url: Url
    provider: Name
    models: Annotated[list[Name], Field(max_length=_MOST_MODELS)]
    left_out: int = 0
    """Models beyond the first hundred, or with names that no model has."""
    wants_key: bool = False

    @classmethod
    def of(cls, base_url: str, provider: str, models: Iterable[str]) -> Self:
        given = list(models)
        kept = [name for name in given if len(name) <= _LONGEST and name.isprintable()][:_MOST_MODELS]
        return cls(base_url=base_url, provider=provider, models=kept, left_out=len(given) - len(kept))


class Other(_Part):
    """Something that answers at a port, and is no model server that works."""

    base_url: Url
    problem: Text


class Listing(_Part):
    node: Name
    address: Name
    """Where pods reach the node; every `baseURL` is there."""
    checked_at: datetime | None = None
    """None before the first look has ended."""
    servers: Annotated[list[Server], Field(max_length=MOST_PORTS)] = []
    others: Annotated[list[Other], Field(max_length=MOST_PORTS)] = []

    def elsewhere(self, address: str) -> str | None:
        """The first address of a server that is not plain HTTP at the node with this address."""
        return next((s.base_url for s in self.servers if not _is_at(s.base_url, address)), None)


def _is_at(url: str, address: str) -> bool:
    """Nothing that two readers of an address could take for two hosts (`user@`, a backslash) is let through."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return bool(address) and parts.scheme == "http" and parts.netloc == f"{in_url(address)}:{port}"

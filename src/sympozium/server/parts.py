"""What all requests share, and its life: opened before the first request, closed after the last."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from sympozium.kube import Client
from sympozium.server.access import FIELD_MANAGER, Reviews


@dataclass(frozen=True, slots=True)
class Settings:
    """From the command line. `state_dir` None keeps the ledger of usage in memory."""

    host: str = "127.0.0.1"
    port: int = 8080
    state_dir: Path | None = None


@dataclass(slots=True)
class Parts:
    """`kube` speaks as the server itself: give a caller `Caller.kube` instead."""

    settings: Settings
    kube: Client
    reviews: Reviews = field(default_factory=Reviews)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process shall end: every stream waits on it too, since the HTTP server tells streams nothing."""

    def unready(self) -> list[str]:
        """What is missing before requests can be answered."""
        return ["stopping"] if self.draining.is_set() else []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run what lives beside the requests."""
        yield

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Parts"]:
        """Raises ConfigError without a usable kubeconfig."""
        async with Client.connect(field_manager=FIELD_MANAGER) as client:
            parts = cls(settings, client)
            async with parts.open():
                yield parts


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


PartsOf = Annotated[Parts, Depends(parts)]
"""The parameter of a route that needs them."""

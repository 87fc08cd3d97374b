"""What all requests share, and its life: opened before the first request, closed after the last."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from sympozium.kube import Client
from sympozium.server.access import FIELD_MANAGER, Reviews
from sympozium.server.agents.asked import Asking
from sympozium.server.agents.directory import Directory
from sympozium.server.agents.mcp import Mcp
from sympozium.server.bus import Bus
from sympozium.server.copies import Copies
from sympozium.server.digestkey import DigestKey
from sympozium.server.feed.hub import Hub
from sympozium.server.guards.rates import Known
from sympozium.server.hooks.fire import Hooks
from sympozium.server.runs.listing import Listing
from sympozium.server.runs.usage import Usage
from sympozium.server.settings import Settings
from sympozium.server.signin.oidc import Oidc
from sympozium.server.signin.provider import Provider
from sympozium.server.signin.signin import SignIn
from sympozium.server.streams.changes import Frames
from sympozium.server.streams.registry import Registry

__all__ = ["Parts", "PartsOf", "Settings", "parts"]


@dataclass(slots=True)
class Parts:
    """`kube` speaks as the server itself: give a caller `Caller.kube` instead."""

    settings: Settings
    kube: Client
    copies: Copies
    reviews: Reviews = field(default_factory=Reviews)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process shall end: every stream waits on it too, since the HTTP server tells streams nothing."""

    known: Known = field(default_factory=Known)
    digest_key: DigestKey = field(init=False)
    hooks: Hooks = field(init=False)
    directory: Directory = field(init=False)
    asking: Asking = field(init=False)
    mcp: Mcp = field(init=False)
    listing: Listing = field(init=False)
    usage: Usage = field(init=False)
    signin: SignIn = field(init=False)
    oidc: Oidc | None = field(init=False)
    bus: Bus = field(init=False)
    hub: Hub = field(init=False)
    frames: Frames = field(init=False)
    streams: Registry = field(init=False)

    def __post_init__(self) -> None:
        self.digest_key = DigestKey(self.kube)
        self.hooks = Hooks(self.kube, self.copies, self.digest_key)
        own = {"localhost", urlsplit(self.settings.public_url or "").hostname or ""}
        self.directory = Directory(self.copies, frozenset(own))
        self.listing = Listing(self.copies)
        self.usage = Usage(self.copies, self.settings.state_dir)
        self.signin = SignIn(self.kube, public_url=self.settings.public_url)
        oidc = self.settings.oidc
        self.oidc = Oidc(Provider(oidc), self.signin) if oidc else None
        self.bus = Bus(self.kube)
        self.hub = Hub(self.bus, self.copies)
        self.asking = Asking(self.kube, self.copies, self.hub)
        self.mcp = Mcp(self.asking, self.draining)
        self.frames = Frames(self.copies)
        self.streams = Registry(
            self.draining,
            most=self.settings.max_streams,
            most_per_caller=self.settings.max_streams_per_caller,
            check_every=self.settings.stream_recheck,
        )

    def unready(self) -> list[str]:
        """What is missing before requests can be answered."""
        return [
            *(["stopping"] if self.draining.is_set() else []),
            *self.copies.unready(),
            *self.listing.unready(),
            *self.usage.unready(),
        ]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run what lives beside the requests."""
        await self.signin.keys.look(self.kube)
        async with background(
            self.copies.run(),
            self.listing.run(),
            self.usage.run(),
            self.signin.keys.follow(self.kube),
            self.bus.run(),
            self.hub.run(),
            self.mcp.run(),
            self.streams.run(),
        ):
            yield
        if self.oidc:
            await self.oidc.provider.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Parts"]:
        """Raises ConfigError without a usable kubeconfig."""
        async with Client.connect(field_manager=FIELD_MANAGER) as client:
            parts = cls(settings, client, Copies(client))
            async with parts.open():
                yield parts


@contextlib.asynccontextmanager
async def background(*lives: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run endless coroutines within the block. What one of them raises ends the block: a server that misses a part
    of itself must not look as if it were whole.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(life) for life in lives]
        yield
        for task in tasks:
            task.cancel()


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


PartsOf = Annotated[Parts, Depends(parts)]
"""The parameter of a route that needs them."""

"""The guards in their order: what is outside sees what is inside refused."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from sympozium.server.guards.bodies import Bodies
from sympozium.server.guards.headers import SecurityHeaders
from sympozium.server.guards.hosts import Hosts
from sympozium.server.guards.journal import Journal
from sympozium.server.guards.origin import SameOrigin
from sympozium.server.guards.rates import Rate, RateLimit
from sympozium.server.parts import Parts
from sympozium.server.signin.signin import Sessions

_HOUR: Final = 3600
EXPOSED: Final = (
    "Retry-After", "Mcp-Session-Id", "X-Sympozium-Run", "X-Sympozium-Ignored", "X-Sympozium-Record", "X-Should-Retry",
)  # fmt: skip


def around(app: ASGIApp, parts: Parts) -> ASGIApp:
    """The application behind its guards."""
    settings = parts.settings
    guarded: ASGIApp = RateLimit(
        app, parts.known, requests=Rate(4 * settings.requests_per_second, settings.requests_per_second)
    )
    guarded = Sessions(guarded, parts.signin)
    guarded = SameOrigin(guarded, public_url=settings.public_url)
    guarded = Bodies(guarded, limit=settings.max_body)
    guarded = Hosts(guarded, settings, parts.directory.is_host)
    if settings.cors_origins:
        guarded = cors(guarded, settings.cors_origins)
    guarded = SecurityHeaders(guarded, https=(settings.public_url or "").startswith("https:"))
    return Journal(guarded)


def cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Lets pages of these origins ask, without credentials: with a bearer token, never with a session."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        # Clients have headers of their own (`X-Stainless-Lang` of OpenAI's): they come with a token, or are refused.
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=_HOUR,
    )

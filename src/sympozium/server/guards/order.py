"""The guards in their order: what is outside sees what is inside refused."""

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

_HOUR = 3600


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
        # Without credentials: a page of another origin speaks with a bearer token, never with a session.
        guarded = CORSMiddleware(
            guarded,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Last-Event-ID",
                "Mcp-Session-Id",
                "Mcp-Protocol-Version",
            ],
            expose_headers=["Retry-After", "Mcp-Session-Id"],
            max_age=_HOUR,
        )
    guarded = SecurityHeaders(guarded, https=(settings.public_url or "").startswith("https:"))
    return Journal(guarded)

"""What stands before the routes: ASGI middlewares, none of which holds a stream back.

    origin      requests that a page of another site makes the browser send, or that came under a foreign name

`around` puts them in their order.
"""

from starlette.types import ASGIApp

from sympozium.server.guards.origin import SameOrigin
from sympozium.server.parts import Parts
from sympozium.server.signin.signin import Sessions


def around(app: ASGIApp, parts: Parts) -> ASGIApp:
    """The application behind its guards."""
    guarded: ASGIApp = Sessions(app, parts.signin)
    return SameOrigin(guarded, public_url=parts.settings.public_url)

"""Sessions as requests meet them: opened before the route, moved on with the answer.

`Sessions` is the middleware: it finds the session of a request (`scope["state"]["session"]`, None without one) and
adds cookies to the answer. A session counts for `/api/` alone, and not beside an `Authorization` header. Signing out
also ends the session here, so that an answer that is under way does not bring it back, nor a copy of the cookie; that
is remembered until the session would have ended, in this process.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import jwt
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sympozium.kube import Client
from sympozium.server.signin.keys import Keys
from sympozium.server.signin.session import STEP, Jar, Method, Session, begin
from sympozium.server.signin.tickets import Tickets

PURPOSE: Final = "session"
_ENDED_KEPT: Final = 10_000


class SignIn:
    """What signing in needs and remembers."""

    def __init__(
        self, kube: Client, *, public_url: str | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.keys = Keys()
        self.tickets = Tickets(now)
        self.public_url = public_url
        self.now = now
        self._kube = kube
        self._ended: OrderedDict[str, float] = OrderedDict()

    def base_url(self, connection: HTTPConnection) -> str:
        """How the browser of this request reaches us."""
        return self.public_url or f"{connection.url.scheme}://{connection.url.netloc}"

    def jar(self, connection: HTTPConnection) -> Jar:
        secure = self.base_url(connection).startswith("https:")
        return Jar.of(secure=secure, port=connection.url.port or 80)

    def begin(
        self,
        connection: HTTPConnection,
        method: Method,
        token: str,
        *,
        user: str = "",
        groups: tuple[str, ...] = (),
    ) -> tuple[Session, list[str]]:
        """A new session and its `Set-Cookie` headers. Raises Problem when it cannot be kept."""
        jar = self.jar(connection)
        now = self.now()
        session = begin(method, token, now, until=ends(token), user=user, groups=groups)
        cookies = jar.write(self._seal(session), session.expires - now)
        kept = {cookie.partition("=")[0] for cookie in cookies}
        stale = jar.clear({name: "" for name in connection.cookies if name not in kept})
        return session, [*cookies, *stale]

    def end(self, connection: HTTPConnection, session: Session | None) -> list[str]:
        """The `Set-Cookie` headers that remove the session; a copy of it is worth nothing from now on."""
        if session:
            self._ended[session.id] = session.expires
            while self._ended and (
                len(self._ended) > _ENDED_KEPT or next(iter(self._ended.values())) <= self.now()
            ):
                self._ended.popitem(last=False)
        return self.jar(connection).clear(connection.cookies)

    async def find(self, connection: HTTPConnection) -> Session | None:
        """The session that a request's cookies hold, if it lives."""
        sealed = self.jar(connection).read(connection.cookies)
        if sealed is None:
            return None
        opened = self.keys.open(PURPOSE, sealed)
        if opened is None:
            await self.keys.look_again(self._kube)
            opened = self.keys.open(PURPOSE, sealed)
        session = Session.of_bytes(opened) if opened else None
        return session if session and self._lives(session) else None

    def move_on(self, connection: HTTPConnection, session: Session) -> list[str]:
        """The `Set-Cookie` headers of a session that goes on; none where it needs none."""
        now = self.now()
        if now - session.seen < STEP or not self._lives(session):
            return []
        return self.jar(connection).write(self._seal(session.moved_on(now)), session.expires - now)

    def _lives(self, session: Session) -> bool:
        return session.lives(self.now()) and session.id not in self._ended

    def _seal(self, session: Session) -> str:
        return self.keys.seal(PURPOSE, session.to_bytes())


class Sessions:
    """The middleware."""

    def __init__(self, app: ASGIApp, signin: SignIn) -> None:
        self.app = app
        self.signin = signin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        session = None if "authorization" in connection.headers else await self.signin.find(connection)
        scope.setdefault("state", {})["session"] = session

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and session:
                headers = MutableHeaders(scope=message)
                if "set-cookie" not in headers:
                    for cookie in self.signin.move_on(connection, session):
                        headers.append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, answer)


def ends(token: str) -> float | None:
    """When a JWT says that it ends, in seconds since the epoch; None for other tokens.

    It is not verified: whether the token is good, Kubernetes says, and nothing but a shorter session comes of this.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None
    found = claims.get("exp")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

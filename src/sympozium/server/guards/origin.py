"""Cross-site request forgery: a page of another site makes the browser send a request, with our cookie.

SameSite=Strict keeps the cookie at home, and "site" is wide: another port of this host, another host of the domain. So
whatever has no `Authorization` header, which no browser adds by itself, must prove that our own page sent it:

- a method that changes something carries `X-Sympozium-Request: 1`, which a foreign page cannot add without asking by
  CORS. That includes signing in, since being signed in as somebody else is an attack too;
- `Sec-Fetch-Site`, which scripts cannot forge, says `same-origin` or `none` (typed, or a bookmark) for every request to
  `/api/`, and an `Origin` is ours. Signing in with OIDC comes back from another site, and proves itself by its state.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sympozium.server.problems import Problem

HEADER: Final = "x-sympozium-request"
CALLBACK: Final = "/api/v1/session/oidc/callback"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})


class SameOrigin:
    def __init__(self, app: ASGIApp, *, public_url: str | None) -> None:
        self.app = app
        self._public = _origin(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            headers = Headers(scope=scope)
            problem = None if "authorization" in headers else self._problem(scope, headers)
            if problem:
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _problem(self, scope: Scope, headers: Headers) -> Problem | None:
        if scope["path"] == CALLBACK and scope["method"] in _SAFE:
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if (site and site not in _OWN) or (origin and not self._is_own(origin, headers.get("host", ""))):
            return Problem(
                403,
                "this request comes from a page of another site: send a bearer token in `Authorization` instead of "
                "a session",
                reason="CrossSite",
            )
        if scope["method"] not in _SAFE and headers.get(HEADER) != "1":
            return Problem(
                403,
                "a request that changes something needs the header `X-Sympozium-Request: 1`, or a bearer token in "
                "`Authorization`",
                reason="CrossSite",
            )
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """A proxy in front of us may speak https where we speak http, so without `--public-url` the host decides."""
        if self._public:
            return origin == self._public
        return urlsplit(origin).netloc.lower() == host.lower()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

"""DNS rebinding: a foreign page makes its own name point at our address, and is then of our origin.

Such a request has the foreign name in `Host`. So a name must be one of ours; an address cannot be rebound, but on
loopback nothing but loopback's is ours.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sympozium.addresses import is_address, is_loopback
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.server.problems import Problem
from sympozium.server.settings import Settings

_SERVICE: Final = re.compile(
    rf"sympozium-apiserver(\.{re.escape(SYSTEM_NAMESPACE)}(\.svc(\.cluster\.local)?)?)?"
)
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class Hosts:
    """`endpoint` says whether a name is one that an instance's endpoint is served under."""

    def __init__(self, app: ASGIApp, settings: Settings, endpoint: Callable[[str], bool]) -> None:
        self.app = app
        self._endpoint = endpoint
        self._loopback = is_loopback(settings.host)
        public = urlsplit(settings.public_url or "").hostname
        self._names = {"localhost", *([public] if public else [])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).getlist("host")
            if len(given) != 1 or not self.ours(given[0]):
                said = given[0][:100] if given else ""
                problem = Problem(
                    421,
                    f"this server is not {said!r}: start it with --public-url for the name that browsers use",
                    reason="MisdirectedRequest",
                )
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def ours(self, host: str) -> bool:
        """`host` is the header's value, with or without a port."""
        if not _HOST.fullmatch(host):
            return False
        try:
            name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        except ValueError:  # what stands in brackets is no address
            return False
        if name in self._names:
            return True
        if is_address(name):
            return is_loopback(name) if self._loopback else True
        if not self._loopback and _SERVICE.fullmatch(name):
            return True
        return self._endpoint(name)

"""How many requests one credential, and one address, may send: token buckets in bounded memory.

    requests    one credential: what a busy page needs many times over
    sign-ins    one address: trying tokens and tickets
    guesses     one address: requests with bearer tokens that Kubernetes has not accepted before. A guess costs
                us a question to Kubernetes, and no limit of a credential meets it, since each guess is another one

An address is the connection's; a header counts only where `--trusted-proxy` names the proxy that sets it.
"""

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sympozium.server.problems import Problem

KEPT: Final = 10_000
"""Buckets of each sort, and credentials that are known; the ones that were longest unused are forgotten."""
SIGN_INS: Final = frozenset(
    {
        "/api/v1/session/token",
        "/api/v1/session/link",
        "/api/v1/session/oidc/start",
        "/api/v1/session/oidc/callback",
    }
)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many each second."""

    burst: float
    per_second: float


REQUESTS: Final = Rate(200, 50)
SIGN_IN: Final = Rate(60, 0.5)
GUESSES: Final = Rate(60, 1)


class Buckets:
    def __init__(self, rate: Rate, *, now: Callable[[], float] = time.monotonic, kept: int = KEPT) -> None:
        self._rate = rate
        self._now = now
        self._kept = kept
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one; 0 when there was one, else the seconds until there is."""
        now = self._now()
        level, at = self._levels.pop(key, (self._rate.burst, now))
        level = min(self._rate.burst, level + (now - at) * self._rate.per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate.per_second
        self._levels[key] = (level - 1 if level >= 1 else level, now)
        while len(self._levels) > self._kept:
            self._levels.popitem(last=False)
        return wait


class Known:
    """Keys of credentials that Kubernetes has accepted."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        self._keys[key] = None
        self._keys.move_to_end(key)
        while len(self._keys) > KEPT:
            self._keys.popitem(last=False)

    def discard(self, key: str) -> None:
        self._keys.pop(key, None)


class RateLimit:
    def __init__(
        self,
        app: ASGIApp,
        known: Known,
        *,
        requests: Rate = REQUESTS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._known = known
        self._requests = Buckets(requests, now=now)
        self._sign_ins = Buckets(SIGN_IN, now=now)
        self._guesses = Buckets(GUESSES, now=now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            wait = self._wait(scope)
            if wait:
                problem = Problem(
                    429,
                    f"too many requests: try again in {math.ceil(wait)} s",
                    headers={"Retry-After": str(math.ceil(wait))},
                )
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        address = address_of(scope)
        if scope["path"] in SIGN_INS:
            return self._sign_ins.take(address)
        key = key_of(scope)
        if key is None:
            return self._requests.take(address)
        if key not in self._known and "authorization" in Headers(scope=scope):
            return self._guesses.take(address)
        return self._requests.take(key)


def key_of(scope: Scope) -> str | None:
    """What tells the credential of a request from others and gives nothing away; None without one."""
    header = Headers(scope=scope).get("authorization")
    if header is not None:
        return hashlib.sha256(header.partition(" ")[2].strip(" ").encode()).hexdigest()
    session = (scope.get("state") or {}).get("session")
    return str(session.key) if session else None


def address_of(scope: Scope) -> str:
    """The client's address; of an IPv6 one its /64, since that is what one person has."""
    client = scope.get("client")
    host = str(client[0])[:64] if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)

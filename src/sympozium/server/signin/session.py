"""A session: the credential of somebody who signed in, in cookies that only this installation can open.

    began ──── seen ──── now            it ends `IDLE` after `seen`, and at `expires` whatever happens
                │
                └── moved on by requests, a step at a time

A browser keeps 4 KiB in one cookie, and an ID token with a person's groups is larger, so a sealed session is cut into
pieces: `NAME` (which begins with their number), `NAME.1`, `NAME.2`. Over https the names have the prefix `__Host-`: no
other host of the domain can set them. A browser knows no ports: on loopback the port is part of the name, so that
two installations of one machine do not sign each other out.
https://www.rfc-editor.org/rfc/rfc6265 https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/Cookies
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal

from sympozium.server.problems import Problem

Method = Literal["token", "link", "oidc"]
LIFE: Final = 12 * 3600.0
"""Seconds that a session lasts at most."""
IDLE: Final = 2 * 3600.0
"""Seconds without a request after which it ends."""
STEP: Final = 300.0
"""How much later than `seen` a request must be to move it on: not every answer sets cookies."""
TOKEN_LIMIT: Final = 12 * 1024
"""Characters of a token that a session can hold."""
_PIECE: Final = 3800
_PIECES: Final = 5
_NUMBERS: Final = frozenset(str(number) for number in range(1, _PIECES + 1))
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Session:
    """`token` is what Kubernetes is shown; without one it is asked as `user` in `groups`, whom the server impersonates.

    Times are seconds since the epoch.
    """

    method: Method
    token: str = field(repr=False)
    began: float
    seen: float
    expires: float
    user: str = ""
    groups: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def key(self) -> str:
        """Tells credentials apart and gives nothing away: the same for a token wherever it comes from."""
        said = self.token or json.dumps(["impersonate", self.user, *self.groups])
        return hashlib.sha256(said.encode()).hexdigest()

    def moved_on(self, now: float) -> "Session":
        return replace(self, seen=now)

    def lives(self, now: float) -> bool:
        return now < self.expires and now - self.seen < IDLE

    def to_bytes(self) -> bytes:
        return json.dumps({"v": _VERSION, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def of_bytes(cls, data: bytes) -> "Session | None":
        """None for a session of another version of this program."""
        found = json.loads(data)
        if found.pop("v", None) != _VERSION:
            return None
        return cls(**{**found, "groups": tuple(found["groups"])})


def begin(
    method: Method,
    token: str,
    now: float,
    *,
    until: float | None = None,
    user: str = "",
    groups: tuple[str, ...] = (),
) -> Session:
    """A new session. `until` is when its credential ends by itself."""
    end = now + LIFE if until is None else min(now + LIFE, until)
    return Session(method, token, now, now, end, user, groups)


@dataclass(frozen=True, slots=True)
class Jar:
    """The names and attributes of the cookies of one server."""

    name: str
    secure: bool

    @classmethod
    def of(cls, *, secure: bool, port: int) -> "Jar":
        return cls("__Host-sympozium" if secure else f"sympozium-{port}", secure)

    def read(self, cookies: Mapping[str, str]) -> str | None:
        """The sealed session of a request; None when there is none, or pieces are missing."""
        number, _, first = cookies.get(self.name, "").partition(".")
        if number not in _NUMBERS:
            return None
        rest = [cookies.get(f"{self.name}.{place}") for place in range(1, int(number))]
        if None in rest:
            return None
        return first + "".join(piece for piece in rest if piece is not None)

    def write(self, sealed: str, life: float) -> list[str]:
        """`Set-Cookie` headers. Raises Problem 413 for what no browser would keep."""
        pieces = [sealed[start : start + _PIECE] for start in range(0, len(sealed), _PIECE)]
        if len(pieces) > _PIECES:
            raise Problem(413, f"the token is too large for a session: {TOKEN_LIMIT} characters at most")
        pieces[0] = f"{len(pieces)}.{pieces[0]}"
        return [self._cookie(place, piece, int(life)) for place, piece in enumerate(pieces)]

    def clear(self, cookies: Mapping[str, str]) -> list[str]:
        """`Set-Cookie` headers that remove whatever of ours the browser has."""
        names = {self._name(place): place for place in range(_PIECES)}
        return [self._cookie(place, "", 0) for name, place in names.items() if name in cookies]

    def _name(self, place: int) -> str:
        return f"{self.name}.{place}" if place else self.name

    def _cookie(self, place: int, value: str, life: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{self._name(place)}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}"

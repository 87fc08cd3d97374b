"""One-time links: whoever has a token in a terminal opens a browser that is signed in.

A ticket is random and says nothing; what it stands for is in this process, for a minute, until it is used. A restart
forgets them all, so none can be used twice. Of several replicas only the one that made a ticket knows it.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

LIFE: Final = 60.0
"""Seconds within which a link is opened."""
_KEPT: Final = 1000
_OF_ONE: Final = 10
"""Open tickets of one credential; an eleventh makes the oldest worthless."""


@dataclass(frozen=True, slots=True)
class _Open:
    token: str = field(repr=False)
    owner: str
    expires: float


class Tickets:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._open: OrderedDict[bytes, _Open] = OrderedDict()

    def issue(self, token: str, owner: str) -> tuple[str, float]:
        """A ticket for whoever has `token`, and when it ends. `owner` is the key of that credential."""
        self._forget()
        mine = [digest for digest, found in self._open.items() if found.owner == owner]
        for digest in mine[: max(0, len(mine) - _OF_ONE + 1)]:
            del self._open[digest]
        while len(self._open) >= _KEPT:
            self._open.popitem(last=False)
        ticket = secrets.token_urlsafe(32)
        expires = self._now() + LIFE
        self._open[_digest(ticket)] = _Open(token, owner, expires)
        return ticket, expires

    def redeem(self, ticket: str) -> str | None:
        """The token, once; None for a ticket that is used, too old, from before a restart, or none of ours."""
        self._forget()
        found = self._open.pop(_digest(ticket), None)
        return found.token if found else None

    def _forget(self) -> None:
        """Drop what is too old: the oldest come first."""
        while self._open and next(iter(self._open.values())).expires <= self._now():
            self._open.popitem(last=False)


def _digest(ticket: str) -> bytes:
    """Looked up by digest: how long a look-up takes tells nothing about the tickets that are open."""
    return hashlib.sha256(ticket.encode()).digest()

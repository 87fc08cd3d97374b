"""One who looks at a run: a place in its stream, and what comes next from there."""

import logging
import time
from datetime import datetime
from typing import Any, Final

from sympozium.api.run import TERMINAL
from sympozium.bus.errors import BusError
from sympozium.kube.resources import Object
from sympozium.server.copies import RUNS, Copies
from sympozium.server.feed.feed import Feed
from sympozium.server.feed.frames import frame
from sympozium.server.feed.text import Mark
from sympozium.server.problems import Problem

log = logging.getLogger(__name__)
CHUNK: Final = 64 * 1024
"""Bytes that are taken at a time, about."""
LAST_WORD: Final = 5.0
"""Seconds after the end of a run in which its result is waited for: a cancelled or lost one may have said none."""
_UNSEEN: Final = 10.0
"""Seconds after which a run that was never in the copy of all runs counts as deleted."""


class RunView:
    """`take` gives the next events, nothing when there are none now. `ended`: there will be none."""

    def __init__(self, feed: Feed, copies: Copies, after: int) -> None:
        self.ended = False
        self._feed = feed
        self._copies = copies
        self._place = after
        self._mark = Mark()
        self._opened = time.monotonic()
        self._terminal_since: float | None = None
        self._begun = False
        self._connected = True
        self._checked = False
        self._owed = False
        """Whether what comes next for this viewer is in the stream alone, which did not give it."""
        self._last: Object | None = None

    @property
    def patience(self) -> float | None:
        """Seconds after which to ask again though nothing has changed."""
        return 0.5 if self._owed or self._terminal_since is not None or self._last is None else None

    async def take(self) -> bytes:
        if self.ended:
            return b""
        if not self._begun:
            self._begun = True
            return self._beginning()
        if self._connected != self._feed.connected:
            self._connected = self._feed.connected
            return frame("bus", {"connected": self._connected})
        if self._feed.broken:
            self.ended = True
            problem = Problem(
                500, "this run's messages cannot be read; the log of the API server has the details"
            )
            return frame("problem", problem.body())
        stored = await self._stored()
        if stored or self._owed:  # neither text nor the end comes before what is owed
            return stored
        return self._written() or self._end()

    def _beginning(self) -> bytes:
        run = self._feed.run
        data = {"namespace": run.namespace, "name": run.name, "uid": run.uid, "phase": _phase(self._found())}
        return frame("run", data)

    async def _stored(self) -> bytes:
        kept = self._feed.log
        if self._feed.complete.is_set() and not self._checked:
            self._checked = True
            if self._place > kept.head:  # an id of another stream: the bus has lost what it had
                self._place = 0
                return frame("reset", {"kind": "run"})
        entries = kept.after(self._place, CHUNK)
        if entries is None:
            try:
                entries = await self._feed.older(self._place, CHUNK)
            except BusError as exc:
                # Not always a connection that is away, which `bus` would say: also a stream without a leader.
                if not self._owed:
                    run = self._feed.run
                    log.warning(
                        "run %s/%s: what a viewer lacks: %s; asking again", run.namespace, run.name, exc
                    )
                self._owed = True
                return b""
            self._owed = False
        if not entries:
            return b""
        self._place = entries[-1].place
        return b"".join(entry.frame for entry in entries)

    def _written(self) -> bytes:
        piece, self._mark = self._feed.text.since(self._mark)
        if piece is None:
            return b""
        if piece.fresh:
            return frame("partial", {"step": piece.step, "text": piece.text, "whole": piece.whole})
        return frame("delta", {"step": piece.step, "text": piece.text})

    def _end(self) -> bytes:
        """The last event, when the run has ended or is gone and all of it was sent."""
        found = self._found()
        if found is None:
            if self._last is None and time.monotonic() - self._opened < _UNSEEN:
                return b""
            self.ended = True
            return frame("end", {"phase": _phase(self._last), "deleted": True})
        if not _is_terminal(found) or not self._feed.complete.is_set() or not self._has_last_word(found):
            return b""
        self.ended = True
        return frame("end", {"phase": _phase(found), "deleted": False})

    def _has_last_word(self, run: Object) -> bool:
        if self._terminal_since is None:
            self._terminal_since = time.monotonic()
            if not self._feed.finished:
                self._feed.look_again()
        if self._feed.finished or time.monotonic() - self._terminal_since >= LAST_WORD:
            return True
        completed: str | None = run["status"].get("completedAt")
        return (
            completed is not None and time.time() - datetime.fromisoformat(completed).timestamp() >= LAST_WORD
        )

    def _found(self) -> Object | None:
        """The run, and no namesake of it."""
        run = self._feed.run
        found = self._copies[RUNS].get(run.namespace, run.name)
        if found is None or found["metadata"]["uid"] != run.uid:
            return None
        self._last = found
        return found


def _phase(run: Object | None) -> Any:
    return ((run or {}).get("status") or {}).get("phase") or "Pending"


def _is_terminal(run: Object) -> bool:
    return _phase(run) in TERMINAL

"""Waiting for a person: decisions come as control messages and are bound to the call's digest.

A decision is in the journal before it counts, so one that arrives while this process restarts is
not asked for twice. Decisions for another digest than the call's are dropped, loudly: they are
about another call than the one that would be made.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sympozium.tools.journal import Decision

if TYPE_CHECKING:
    from sympozium.tools.journal import Journal

_log = logging.getLogger(__name__)


class Approvals:
    """The decisions of one run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._arrived = asyncio.Condition()

    async def decided(self, decision: Decision) -> bool:
        """Take a decision from the control plane; False when it is about another call than ours of that id.

        One about a call that has not come yet is kept: in a second attempt of a run the control
        plane's messages are there before the agent has got that far.
        """
        entry = self._journal.entry(decision.call)
        if entry is not None and entry.digest != decision.digest:
            _log.error("dropped a decision for call %s: it is about other arguments", decision.call)
            return False
        async with self._arrived:
            self._journal.decide(decision)
            self._arrived.notify_all()
        return True

    async def wait(self, *, call: str, digest: str, seconds: float) -> Decision:
        """The decision about a call; `Expired` when none came in time."""
        try:
            async with asyncio.timeout(seconds), self._arrived:
                while (decision := self._journal.decision(call, digest)) is None:
                    await self._arrived.wait()
                return decision
        except TimeoutError:
            expired = Decision(call, digest, "Expired", comment=f"nobody decided within {seconds:g} s")
            self._journal.decide(expired)
            return expired

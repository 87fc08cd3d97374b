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
    from collections.abc import Callable

    from sympozium.tools.journal import Journal

_log = logging.getLogger(__name__)


class Approvals:
    """The decisions of one run. `news` is notified whenever something changed that a waiting call looks at."""

    def __init__(self, journal: Journal, news: asyncio.Condition) -> None:
        self._journal = journal
        self._news = news

    async def decided(self, decision: Decision) -> bool:
        """Take a decision from the control plane; False when it can change nothing, which is logged.

        One about a call that has not come yet is kept: in a second attempt of a run the control
        plane's messages are there before the agent has got that far.
        """
        entry = self._journal.entry(decision.call)
        if entry is not None and entry.digest != decision.digest:
            _log.error(
                "dropped a decision (%s by %s) for call %s: it is about other arguments, another state of what "
                "the call would change, or a policy that holds no more",
                decision.decision, decision.decided_by or "nobody", decision.call,
            )  # fmt: skip
            return False
        if entry is not None and entry.state in ("started", "done"):
            _log.warning(
                "a decision (%s) for call %s came when the call was over", decision.decision, decision.call
            )
            return False
        async with self._news:
            if not self._journal.decide(decision):
                _log.warning(
                    "a second decision (%s) for call %s changes nothing", decision.decision, decision.call
                )
                return False
            self._news.notify_all()
        return True

    async def wait(
        self, *, call: str, digest: str, seconds: float, void: Callable[[], bool] = lambda: False
    ) -> Decision | None:
        """The decision about a call; `Expired` when none came in time, None as soon as the question is `void`.

        Void wins over a decision that is there at the same time.
        """
        try:
            async with asyncio.timeout(seconds), self._news:
                while not void():
                    if (decision := self._journal.decision(call, digest)) is not None:
                        return decision
                    await self._news.wait()
                return None
        except TimeoutError:
            expired = Decision(call, digest, "Expired", comment=f"nobody decided within {seconds:g} s")
            self._journal.decide(expired)
            return self._journal.decision(call, digest)

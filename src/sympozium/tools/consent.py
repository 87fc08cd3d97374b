"""Asking a person about one call, and what comes of it.

What the person is shown is in the journal before it is sent, so a tool server that is killed asks for the same thing
again. A change of the policy makes the question void, since nobody agreed to the call under the new rules: it is
said on the record, and the call is judged anew.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sympozium.tools import shown
from sympozium.tools.digest import asked_again, with_basis
from sympozium.tools.journal import Decision
from sympozium.tools.previews import Preview, Previews

if TYPE_CHECKING:
    from sympozium.tools.approvals import Approvals
    from sympozium.tools.asked import Asked
    from sympozium.tools.journal import Entry, Journal
    from sympozium.tools.live import Live
    from sympozium.tools.record import Record

APPROVAL_GRACE = 60.0
"""Seconds beyond the policy's timeout. That it is over is the controller's to say, in the
ApprovalRequest: if we gave up first, a person could still approve there what is refused here."""
VOID = "the policy changed while this waited; the call is judged anew"


class RulesChangedError(Exception):
    """The call has to be judged anew."""


def _is_void(decision: Decision | None) -> bool:
    return decision is not None and (decision.decision, decision.comment) == ("Expired", VOID)


class Consent:
    """The questions of one run."""

    def __init__(
        self,
        *,
        journal: Journal,
        approvals: Approvals,
        record: Record,
        live: Live,
        previews: Previews,
        grace: float = APPROVAL_GRACE,
    ) -> None:
        self._journal = journal
        self._approvals = approvals
        self._record = record
        self._live = live
        self._previews = previews
        self._grace = grace

    async def prepare(self, asked: Asked, entry: Entry | None) -> tuple[str, Preview | None]:
        """The digest that a decision is bound to, and the preview it is about.

        `entry` is the call as the journal has it: what a person may have seen already is not made anew.
        """
        if asked.verdict.action != "ask" or self._journal.approval_of_run(asked.same):
            return asked.same, None
        if entry is not None and entry.same == asked.same:
            digest, preview = entry.digest, Preview.kept(entry.preview) if entry.preview else None
        else:
            preview = await self._previews.of(asked)
            digest = with_basis(asked.same, preview.basis)
        while _is_void(self._journal.decision(asked.id, digest)):
            digest = asked_again(digest)
        return digest, preview

    async def refused(self, asked: Asked, digest: str, preview: Preview | None) -> str | None:
        """Words for a call that must not be made; waits for a person. RulesChangedError when the rules change first."""
        decision = self._journal.decision(asked.id, digest) or self._journal.approval_of_run(asked.same)
        waited: dict[str, int] = {}
        if decision is None:
            began = time.monotonic()
            decision = await self._ask(asked, digest, preview)
            waited = {"waitedMs": int((time.monotonic() - began) * 1000)}
        if _is_void(decision):  # said by the control plane, to whom an earlier attempt of the run had said so
            self._journal.reopen(asked.id)
            raise RulesChangedError
        await self._publish(
            asked,
            digest,
            decision.decision,
            decidedBy=decision.decided_by,
            comment=decision.comment,
            **waited,
        )
        if decision.decision == "Approved":
            return None
        rule = asked.verdict.rule
        by = f" by {decision.decided_by}" if decision.decided_by else ""
        comment = f": {decision.comment}" if decision.comment else ""
        if decision.decision == "Expired":
            return f"denied: the approval expired, nobody decided in time{comment} [{rule}]"
        return f"denied{by}{comment} [{rule}]"

    async def stale(self, asked: Asked, preview: Preview | None) -> str | None:
        """Words for an approved call that would not do what was shown any more."""
        return await self._previews.stale(asked, preview) if asked.verdict.action == "ask" else None

    async def _ask(self, asked: Asked, digest: str, preview: Preview | None) -> Decision:
        await self._publish(asked, digest, "waiting")
        await self._record.request_approval(shown.approval(asked, digest, preview))
        decision = await self._approvals.wait(
            call=asked.id,
            digest=digest,
            seconds=asked.rules.approval_timeout + self._grace,
            void=lambda: self._live.rules is not asked.rules,
        )
        if decision is None:
            await self.void(asked, digest)
            self._journal.reopen(asked.id)
            raise RulesChangedError
        return decision

    async def void(self, asked: Asked, digest: str) -> None:
        """Say that what was asked under a digest is asked no more, not even when its rules come back."""
        self._journal.decide(Decision(asked.id, digest, "Expired", comment=VOID))
        await self._publish(asked, digest, "Expired", comment=VOID)

    async def _publish(self, asked: Asked, digest: str, state: str, **more: str | int) -> None:
        data = {"callId": asked.id, "tool": asked.tool, "state": state, "argsDigest": digest}
        await self._record.publish("tool.approval", data | {k: v for k, v in more.items() if v != ""})

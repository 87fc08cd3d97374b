"""What the control plane may change while the run goes on: the policy, and whether anything begins at all.

Both are in the journal before they count. They are swapped in one assignment, between awaits: a call is judged by one
set of rules as a whole, and the caller looks again, without an await in between, before it begins. So when
`policy.applied` is in the stream, nothing begins any more that the new policy forbids.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from sympozium.api.runconfig import PolicyFile
from sympozium.api.shared import ToolPolicy
from sympozium.bus.messages import POLICY_CHANGED, RUN_FREEZE
from sympozium.policy.effective import Effective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sympozium.api.runconfig import ToolsConfigFile
    from sympozium.tools.journal import Journal

_log = logging.getLogger(__name__)
_TOOL_POLICIES = TypeAdapter(list[ToolPolicy])


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What calls are judged by at one time. Two of them are the same only when they are one object."""

    policy: Effective
    tool_policies: Sequence[ToolPolicy]
    approval_timeout: float
    """Seconds."""
    name: str
    generation: int
    digest: str

    @classmethod
    def of(cls, file: PolicyFile, tool_policies: Sequence[ToolPolicy], approval_timeout: float) -> Self:
        policy = Effective.from_file(file)
        return cls(policy, tool_policies, approval_timeout, file.name, file.generation, file.digest)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Data of `policy.changed`. ValueError when it is no policy that this version understands."""
        file = PolicyFile.model_validate(data["policy"])
        narrowing = _TOOL_POLICIES.validate_python(data["toolPolicies"])
        return cls.of(file, narrowing, float(data["approvalTimeoutSeconds"]))

    def applied(self) -> dict[str, Any]:
        """Data of `policy.applied`."""
        return {"name": self.name, "generation": self.generation, "digest": self.digest}


class Live:
    """The rules that hold now, and the freeze. `news` is notified after each change."""

    def __init__(self, config: ToolsConfigFile, journal: Journal) -> None:
        self._journal = journal
        self.news = asyncio.Condition()
        changed = journal.kept(POLICY_CHANGED)
        self.rules = (
            Rules.from_data(changed)
            if changed
            else Rules.of(config.policy, config.tool_policies, config.approval_timeout_seconds)
        )
        self._freeze: Mapping[str, Any] = journal.kept(RUN_FREEZE) or {}

    @property
    def frozen(self) -> bool:
        return bool(self._freeze.get("frozen"))

    async def change_policy(self, sequence: int, data: Mapping[str, Any]) -> bool:
        """Judge by this from now on. False when it is older than what holds, or cannot be understood."""
        try:
            rules = Rules.from_data(data)
        except ValueError as error:
            # What holds goes on holding, and the control plane sees that its policy was not applied.
            _log.error("a changed policy cannot be applied, the one before it holds on: %s", error)
            return False
        if not self._journal.keep(POLICY_CHANGED, sequence, data):
            return False
        if (rules.digest, list(rules.tool_policies), rules.approval_timeout) != (
            self.rules.digest, list(self.rules.tool_policies), self.rules.approval_timeout,
        ):  # fmt: skip
            self.rules = rules
            await self.look()
        return True

    async def freeze(self, sequence: int, data: Mapping[str, Any]) -> bool:
        """Hold every call that has not begun, or let them go. False when it is older than what holds."""
        if not self._journal.keep(RUN_FREEZE, sequence, data):
            return False
        self._freeze = dict(data)
        _log.info("the run is %s: %s", "frozen" if self.frozen else "going on", data["reason"])
        await self.look()
        return True

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that changes with news is so."""
        async with self.news:
            await self.news.wait_for(condition)

    async def thaw(self) -> None:
        """Wait while the run is frozen."""
        if self.frozen:
            await self.until(lambda: not self.frozen)

    async def look(self) -> None:
        """Have everyone who waits look again."""
        async with self.news:
            self.news.notify_all()

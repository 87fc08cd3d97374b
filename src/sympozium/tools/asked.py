"""A call as it came, and as it was judged. Nothing here changes once it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sympozium.policy.verdict import Verdict
    from sympozium.tools.catalogue import Offered
    from sympozium.tools.live import Rules


@dataclass(frozen=True, slots=True)
class Came:
    """A call that the agent made. `malformed` is what the agent says of arguments that it could not read."""

    id: str
    tool: str
    arguments: dict[str, Any]
    what: str
    malformed: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call with what was decided about it, and the rules by which it was."""

    id: str
    tool: str
    target: str
    arguments: dict[str, Any]
    what: str
    same: str
    verdict: Verdict
    offered: Offered | None
    rules: Rules

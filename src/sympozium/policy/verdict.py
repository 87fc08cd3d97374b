"""What decisions look like: a verdict about a call, a violation in a spec."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["allow", "ask", "deny"]
_STRICTNESS: Final = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the rule that made it.

    `rule` names policy and place (`default-policy: toolGating.rules[0] (execute_command)`); `reason` is for the
    model and for people.
    """

    action: Action
    rule: str
    reason: str
    instead: str = ""
    """In words, what would be allowed; empty where nothing is known that would."""
    audited: "Verdict | None" = None
    """What a policy under `enforcement: Audit` would have decided, when it is stricter than `action`."""

    @property
    def allowed(self) -> bool:
        """Whether the call may go on without asking anyone."""
        return self.action == "allow"

    def stricter_than(self, other: "Verdict") -> bool:
        """Whether it allows less."""
        return _STRICTNESS[self.action] > _STRICTNESS[other.action]


@dataclass(frozen=True, slots=True)
class Violation:
    """A field of a spec that breaks a rule. `field` is a path such as `spec.toolPolicy.allow[0]`."""

    field: str
    message: str
    rule: str = ""
    """Policy and place, as in `Verdict`."""
    instead: str = ""
    """In words, what would be allowed."""
    audit: bool = False
    """The policy only watches (`enforcement: Audit`): to be recorded and warned of, not refused."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that allows least; the first of equals. Raises ValueError when there is none."""
    return max(verdicts, key=lambda verdict: _STRICTNESS[verdict.action])

"""What a check of an object found, and the answer that it makes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sympozium.policy import Violation
from sympozium.webhook.review import Answer, allow, forbidden, invalid


@dataclass(slots=True)
class Findings:
    """Mistakes, what is not allowed, what a policy under Audit would not allow, what people should know."""

    wrong: list[Violation] = field(default_factory=list)
    refused: list[Violation] = field(default_factory=list)
    audited: list[Violation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def judged(self, violations: list[Violation]) -> None:
        """What a policy says: refused, or recorded where it only watches."""
        self.refused += [violation for violation in violations if not violation.audit]
        self.audited += [violation for violation in violations if violation.audit]

    def add(self, other: "Findings", path: Callable[[str], str]) -> None:
        """Those of a part; `path` makes its paths those of the whole."""
        for own, found in (
            (self.wrong, other.wrong),
            (self.refused, other.refused),
            (self.audited, other.audited),
        ):
            own += [replace(violation, field=path(violation.field)) for violation in found]
        for warning in other.warnings:
            where, separator, text = warning.partition(": ")
            self.warnings.append(f"{path(where)}{separator}{text}")

    def answer(self) -> Answer:
        """Mistakes come first: they would be refused whoever asked."""
        if self.wrong:
            return invalid(self.wrong)
        if self.refused:
            return forbidden(self.refused)
        return allow(warnings=self.warnings, audited=self.audited)

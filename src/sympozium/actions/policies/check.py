"""Mistakes in policies that admission would refuse, and what it would let pass and nobody means."""

from dataclasses import dataclass

from pydantic import ValidationError

from sympozium.actions.policies import sources
from sympozium.actions.policies.sources import Sourced
from sympozium.api.policy import SympoziumPolicy
from sympozium.policy.check import MOST_RULES, problems
from sympozium.policy.lint import lint


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is `error` (admission refuses it) or `warning`."""

    file: str
    line: int
    level: str
    policy: str
    path: str
    message: str
    cure: str = ""


def of(document: Sourced) -> list[Finding]:
    """What is wrong with one policy, in the order of its lines."""
    name = str((document.obj.get("metadata") or {}).get("name") or "(no name)")

    def finding(level: str, path: str, message: str, cure: str = "") -> Finding:
        return Finding(document.file, document.line(path), level, name, path, message, cure)

    try:
        policy = SympoziumPolicy.model_validate(document.obj)
    except ValidationError as exc:
        return [finding("error", path, words) for path, words in sources.problems(exc)]
    found = [finding("error", v.field, v.message, v.instead) for v in problems(policy.spec)]
    if policy.spec.tool_gating and len(policy.spec.tool_gating.rules) > MOST_RULES:
        return found  # rules are held against each other below: of so many, for minutes
    if not policy.name:
        found.append(finding("error", "metadata", "metadata.name is missing"))
    found += [finding("warning", v.field, v.message, v.instead) for v in lint(policy)]
    return sorted(found, key=lambda f: (f.line, f.level))

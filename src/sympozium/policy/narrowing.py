"""toolPolicy of a run, of its instance, of its parents: each can only take tools away."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from sympozium.api.shared import ToolPolicy
from sympozium.policy.verdict import Verdict


def narrowed(tool: str, tool_policies: Sequence[ToolPolicy]) -> Verdict | None:
    """The verdict of the first toolPolicy that takes a tool away, or None."""
    for narrowing in tool_policies:
        if any(fnmatchcase(tool, glob) for glob in narrowing.deny):
            return Verdict("deny", "toolPolicy.deny", f"{tool} is denied by the toolPolicy of this run")
        if narrowing.allow and not any(fnmatchcase(tool, glob) for glob in narrowing.allow):
            return Verdict("deny", "toolPolicy.allow", f"{tool} is not in the toolPolicy of this run")
    return None

"""The decision about a tool call, written from the words of the contract and from nothing else.

Slow and plain on purpose: `test_differential` holds the compiled gate to it. Conditions are Python functions here, so
that CEL is not the judge of itself.
"""

from fnmatch import fnmatchcase

STRICT = ["allow", "ask", "deny"]
GATES = {
    "execute_command": "code-execution",
    "read_file": "file-access", "write_file": "file-access", "edit_file": "file-access", "list_directory": "file-access",
    "fetch_url": "browser-automation",
    "spawn_agent": "sub-agents",
}  # fmt: skip


def of_layer(spec: dict, tool: str, target: str, args: dict, run: dict, conditions: dict) -> str:
    """First match wins, then the default; a closed gate denies; a condition without an answer denies."""
    if spec.get("featureGates", {}).get(GATES.get(tool)) is False:
        return "deny"
    gating = spec.get("toolGating", {})
    for rule in gating.get("rules", []):
        if not fnmatchcase(tool, rule["tool"]) or not fnmatchcase(target, rule.get("target", "*")):
            continue
        if "when" in rule:
            try:
                holds = conditions[rule["when"]](args, tool, target, run)
            except LookupError:
                return "deny"
            if not isinstance(holds, bool):
                return "deny"
            if not holds:
                continue
        return rule["action"]
    return gating.get("defaultAction", "allow")


def decide(
    layers: list, tool_policies: list, tool: str, target: str, args: dict, run: dict, conditions: dict
):
    """(action, action that watching layers would have decided when it is stricter, else None)."""
    bound, watched = ["allow"], ["allow"]
    for spec in layers:
        answer = of_layer(spec, tool, target, args, run, conditions)
        (watched if spec.get("enforcement") == "Audit" else bound).append(answer)
    for narrowing in tool_policies:
        allow, deny = narrowing.get("allow", []), narrowing.get("deny", [])
        named = not allow or any(fnmatchcase(tool, glob) for glob in allow)
        if not named or any(fnmatchcase(tool, glob) for glob in deny):
            bound.append("deny")
    action, other = max(bound, key=STRICT.index), max(watched, key=STRICT.index)
    return action, other if STRICT.index(other) > STRICT.index(action) else None

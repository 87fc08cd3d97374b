"""Names of the built-in tools and the feature gate that each needs, as data.

All names are reserved, also of tools that this version does not offer: a rule for `spawn_agent` that was
written before there were sub-agents must not one day match the tool of some skill.
"""

from typing import Final

EXECUTE_COMMAND: Final = "execute_command"
SHELL: Final = "shell"
"""Name of the target that runs commands for which no skill is named."""
TOOL_SERVER: Final = "tools"
"""Name of the target of tools that the tool server executes itself."""

GATE_OF: Final[dict[str, str | None]] = {
    EXECUTE_COMMAND: "code-execution",
    "read_file": "file-access",
    "write_file": "file-access",
    "edit_file": "file-access",
    "list_directory": "file-access",
    "fetch_url": "browser-automation",
    "send_channel_message": None,
    "schedule_task": None,
    "remember": None,
    "spawn_agent": "sub-agents",
}
"""Built-in tool -> the feature gate that takes it away when it is false."""

BUILTIN: Final[frozenset[str]] = frozenset(GATE_OF)
FEATURE_GATES: Final[frozenset[str]] = frozenset(gate for gate in GATE_OF.values() if gate)


def target_of(tool: str) -> str:
    """Where a built-in tool executes when the call names no target."""
    return (
        TOOL_SERVER
        if tool in {"fetch_url", "send_channel_message", "schedule_task", "spawn_agent", "remember"}
        else SHELL
    )

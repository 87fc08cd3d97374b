"""What the tools of skills are called (docs/decisions/0006-tool-names.md).

A name is a function of the skill and of its tool, never of what else the run has: a policy rule
must mean the same in every run.
"""

from __future__ import annotations

import re

from sympozium.policy.tools import BUILTIN, EXECUTE_COMMAND

OWN_PREFIX = {"k8s-ops": "kubectl_"}
"""Built-in packs whose tools carry a prefix that people know; it is reserved for that pack."""

PREVIEW_TOOL = "sympozium_preview"
"""A tool of a skill that says what a call of the skill would do. The model is not told of it and cannot call it."""

COMMAND_TOOL = EXECUTE_COMMAND
"""A skill's tool of this name is not offered by itself: it is what `target` reaches."""

_OTHER = re.compile(r"[^A-Za-z0-9_]+")
MAX_NAME = 64
"""What model endpoints accept as the name of a function."""


def exposed(skill: str, tool: str) -> str:
    """The name under which `tool` of `skill` is offered to the model."""
    own = OWN_PREFIX.get(skill)
    if own and tool.startswith(own):
        return tool
    name = f"{_clean(skill)}_{_clean(tool)}"[:MAX_NAME]
    return (
        f"skill_{name}"[:MAX_NAME] if name in BUILTIN or name.startswith(tuple(OWN_PREFIX.values())) else name
    )


def _clean(text: str) -> str:
    return _OTHER.sub("_", text).strip("_")

"""A tool call as decisions see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. `target` is the container that would execute: `shell`, `tools`, or a skill's name."""

    tool: str
    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    """As the model gave them: anything that JSON can say, and what a lenient parser lets through."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What `sympozium.policy.context.of_run` says of the run."""

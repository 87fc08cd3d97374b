# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""What was said before a run began: given in words (`history`), or taken from another run (`forkFrom`).

`Turn` is the same for the agent, in `agent.json`: there the calls of a forked run and their outcomes are part of it.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from sympozium.api.base import Model, Name

HISTORY_LIMIT: Final = 256 * 1024
"""Bytes of the contents of a history, as UTF-8."""


class Said(Model):
    """A message of the conversation that the run goes on with."""

    role: Literal["user", "assistant"]
    """Who said it."""
    content: Annotated[str, Field(min_length=1, max_length=HISTORY_LIMIT)]
    """What was said. All of a history together have 256 KiB at most."""


class ForkFrom(Model):
    """The run whose conversation this one goes on with."""

    run_name: Name
    """AgentRun of the same namespace and the same instance."""
    step: Annotated[int, Field(ge=1)]
    """Its last step that is taken over, with the calls that were made in it and their outcomes; of several attempts, the last counts."""
    uid: Annotated[str, Field(max_length=253)] | None = None
    """The run's uid. The webhook writes it, so that another run of that name is not taken for it."""


class Call(Model):
    """A tool call that the model made."""

    id: str
    name: str
    arguments: str
    """A JSON object, as text."""


class Turn(Model):
    """One message before the run's own first step, as the agent hands it to its model."""

    role: Literal["user", "assistant", "tool"]
    content: str
    calls: list[Call] = []
    """Of an assistant's turn."""
    call_id: str | None = None
    """Of a tool's turn: the call whose outcome it is."""


def size(history: Sequence[Said]) -> int:
    """Bytes of what was said."""
    return sum(len(said.content.encode()) for said in history)


def turns(history: Sequence[Said]) -> list[Turn]:
    return [Turn(role=said.role, content=said.content) for said in history]

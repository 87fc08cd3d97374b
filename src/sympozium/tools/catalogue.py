"""Which tools a run has, what they are called, and where each executes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympozium.policy.tools import BUILTIN, EXECUTE_COMMAND, SHELL, TOOL_SERVER, target_of
from sympozium.tools import builtin
from sympozium.tools.names import COMMAND_TOOL, PREVIEW_TOOL, exposed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import mcp_types as types

    from sympozium.tools.skills import Skill

_log = logging.getLogger(__name__)
_WHY_NOT = {"remember": "spec.memory of the instance is not enabled"}


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool of the run. `skill` and `inner` are set for a tool of a skill."""

    name: str
    schema: types.Tool
    skill: Skill | None = None
    inner: str = ""


class Catalogue:
    """The tools of a run, as its skills offer them now. `has_shell`: there is a shell target; `has_memory`: there are notes."""

    def __init__(self, *, skills: Iterable[Skill], has_shell: bool, has_memory: bool = False) -> None:
        self._skills = {skill.name: skill for skill in skills}
        for name in (SHELL, TOOL_SERVER):
            if name in self._skills:
                raise ValueError(
                    f"a skill cannot be called {name!r}: rules with that target would mean two containers"
                )
        self._has_shell = has_shell
        self._has_memory = has_memory

    async def ready(self) -> None:
        """Wait until every skill is there, or known not to be."""
        for skill in self._skills.values():
            await skill.ready()

    def tools(self) -> dict[str, Offered]:
        """All tools by name, before any policy."""
        schemas = builtin.schemas(self.command_targets(), memory=self._has_memory)
        found = {tool.name: Offered(tool.name, tool) for tool in schemas}
        if not self._has_shell:
            found = {
                name: o for name, o in found.items() if name == EXECUTE_COMMAND or target_of(name) != SHELL
            }
        for skill in self._skills.values():
            for tool in skill.tools:
                if tool.name in (COMMAND_TOOL, PREVIEW_TOOL):
                    continue
                name = exposed(skill.name, tool.name)
                if name in found:
                    _log.warning(
                        "tool %s of skill %s is left out: the name %s is taken", tool.name, skill.name, name
                    )
                    continue
                found[name] = Offered(
                    name, tool.model_copy(update={"name": name, "output_schema": None}), skill, tool.name
                )
        return found

    def command_targets(self) -> list[str]:
        """Where commands can run: the shell, and skills that take commands."""
        skills = [s.name for s in self._skills.values() if any(t.name == COMMAND_TOOL for t in s.tools)]
        return ([SHELL] if self._has_shell else []) + skills

    def skill(self, name: str) -> Skill | None:
        return self._skills.get(name)

    def targets(self, offered: Offered) -> list[str]:
        """Every container in which a tool could execute."""
        if offered.skill is not None:
            return [offered.skill.name]
        return self.command_targets() if offered.name == EXECUTE_COMMAND else [target_of(offered.name)]

    def target(self, offered: Offered, arguments: dict[str, Any]) -> str:
        """The container in which this call would execute."""
        if offered.skill is not None:
            return offered.skill.name
        if offered.name == EXECUTE_COMMAND:
            return str(arguments.get("target") or SHELL)
        return target_of(offered.name)

    def unknown(self, name: str, listed: Callable[[Offered], bool]) -> str:
        """Words for a name that is no tool of this run."""
        names = ", ".join(offered.name for offered in self.tools().values() if listed(offered))
        later = f" ({_WHY_NOT.get(name, 'this version does not have it')})" if name in BUILTIN else ""
        problems = "".join(f"; {s.problem}" for s in self._skills.values() if s.problem)
        return f"there is no tool {name[:200]!r} in this run{later}; there are {names}{problems}"

"""What a call would do, for the person who decides about it. Made before it is asked for, and without effects.

    write_file, edit_file      `shell` makes a unified diff against the file as it is
    execute_command in shell   the command, and where it would run
    a skill's tools, commands  the skill says it, if it offers the tool `PREVIEW_TOOL` (docs/previews.md)
    fetch_url                  the request as it would be sent

A preview may have a `basis`: a word for the state that it was made of. The approval is bound to it, and a call whose
basis is another when it is to begin is refused. A call without a preview can still be decided; the person reads why.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from sympozium.policy.tools import EXECUTE_COMMAND, SHELL, TOOL_SERVER
from sympozium.shell.client import ShellClient, ShellError, ShellLostError
from sympozium.tools.digest import canonical
from sympozium.tools.names import PREVIEW_TOOL, exposed
from sympozium.tools.shown import as_shown
from sympozium.tools.skills import SkillLostError

if TYPE_CHECKING:
    from sympozium.tools.asked import Asked
    from sympozium.tools.catalogue import Catalogue
    from sympozium.tools.judge import Judge

SECONDS = 20.0
"""For one preview. The run waits for it, and the person too."""
MAX_TEXT = 60_000
"""Characters; an ApprovalRequest has room for 64 KiB."""
MAX_PROBLEM = 2000
_FILES = frozenset({"write_file", "edit_file"})
_KINDS = frozenset({"diff", "dry-run", "request", "command", "none"})
Kind = Literal["diff", "dry-run", "request", "command", "none"]


@dataclass(frozen=True, slots=True)
class Preview:
    """`basis` is None when the preview says nothing that could be out of date when the call begins."""

    kind: Kind
    text: str = ""
    truncated: bool = False
    problem: str | None = None
    basis: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent to the control plane."""
        data = {"kind": self.kind, "text": self.text, "truncated": self.truncated}
        return data | ({"problem": self.problem} if self.problem else {})

    def keep(self) -> str:
        """As it is kept in the journal."""
        return json.dumps(asdict(self))

    @classmethod
    def kept(cls, text: str) -> Self:
        return cls(**json.loads(text))


class Previews:
    """Makes previews, and says whether one still holds."""

    def __init__(self, *, shell: ShellClient, catalogue: Catalogue, judge: Judge) -> None:
        self._shell = shell
        self._catalogue = catalogue
        self._judge = judge

    async def of(self, asked: Asked) -> Preview:
        """The preview of a call; whatever goes wrong with it is its `problem`."""
        try:
            async with asyncio.timeout(SECONDS):
                made = await self._make(asked)
        except TimeoutError:
            made = Preview("none", problem=f"there is no preview: it took longer than {SECONDS:g} s")
        except (ShellError, ShellLostError, SkillLostError, ValueError) as error:
            made = Preview("none", problem=f"there is no preview: {error}")
        return _for_people(made)

    async def stale(self, asked: Asked, preview: Preview | None) -> str | None:
        """Why an approved call must not begin: what was shown is not what would happen any more. None: it may.

        Files are checked by `shell` itself, in the moment in which it writes.
        """
        if preview is None or preview.basis is None or asked.target == SHELL:
            return None
        now = await self.of(asked)
        if now.basis == preview.basis:
            return None
        return (
            f"refused: what {asked.tool} would do is not what a person was shown, since something changed meanwhile; "
            "nothing was done. Look at it, and call again to have it decided anew"
        )

    async def _make(self, asked: Asked) -> Preview:
        if asked.target == TOOL_SERVER:
            return _request(asked.arguments) if asked.tool == "fetch_url" else Preview("none")
        if asked.target != SHELL:
            return await self._by_skill(asked)
        if asked.tool in _FILES:
            answer = await self._shell.call("preview", tool=asked.tool, arguments=asked.arguments)
            return Preview("diff", answer["text"], answer["truncated"], answer["problem"], answer["basis"])
        return _command(asked) if asked.tool == EXECUTE_COMMAND else Preview("none")

    async def _by_skill(self, asked: Asked) -> Preview:
        skill = self._catalogue.skill(asked.target)
        fallback = _command(asked) if asked.tool == EXECUTE_COMMAND else Preview("none")
        if skill is None or not skill.has_preview:
            return replace(fallback, problem=f"the skill {asked.target} does not say what its calls would do")
        inner = asked.offered.inner if asked.offered and asked.offered.skill else asked.tool
        request = {
            "tool": inner,
            "arguments": {
                k: v for k, v in asked.arguments.items() if inner != EXECUTE_COMMAND or k != "target"
            },
        }
        # What a preview reads is for people and not for the model, so what narrows the model's tools does not count.
        verdict = self._judge.gate(
            exposed(skill.name, PREVIEW_TOOL), skill.name, request, asked.rules, narrowed=False
        )
        if verdict.action == "deny":
            return replace(fallback, problem=f"there is no preview: {verdict.reason} [{verdict.rule}]")
        text, is_error = await skill.call(PREVIEW_TOOL, request)
        if is_error:
            return replace(fallback, problem=f"there is no preview: {text}")
        return _answered(text, fallback)


def _answered(text: str, fallback: Preview) -> Preview:
    """The answer of a skill's preview tool: JSON with the fields of Preview. A skill is not believed to keep the form."""
    try:
        data = json.loads(text)
        made = Preview(
            kind=data["kind"],
            text=str(data.get("text") or ""),
            truncated=bool(data.get("truncated")),
            problem=str(data["problem"]) if data.get("problem") else None,
            basis=hashlib.sha256(canonical(data["basis"])).hexdigest() if data.get("basis") else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        return replace(fallback, problem=f"the skill's preview cannot be read: {error!r}")
    if made.kind not in _KINDS:
        return replace(fallback, problem=f"the skill's preview has the unknown kind {str(made.kind)[:40]!r}")
    if made.kind == "none" or not made.text:
        return replace(fallback, problem=made.problem, basis=made.basis)
    return made


def _for_people(made: Preview) -> Preview:
    text, notes = as_shown(made.text)
    if len(text) > MAX_TEXT:
        text, made = text[:MAX_TEXT], replace(made, truncated=True)
    if made.truncated:
        notes.append("only its beginning is shown")
    problem = "; ".join([*([as_shown(made.problem)[0]] if made.problem else []), *notes])
    return replace(made, text=text, problem=problem[:MAX_PROBLEM] or None)


def _command(asked: Asked) -> Preview:
    arguments = asked.arguments
    where = f"in {asked.target}, directory {arguments.get('workdir') or '.'}"
    return Preview("command", f"{where}:\n{arguments['command']}")


def _request(arguments: dict[str, Any]) -> Preview:
    parts = urlsplit(arguments["url"])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [f"{key}: {value}" for key, value in (arguments.get("headers") or {}).items()]
    lines = [f"{parts.scheme}://{parts.netloc}", f"GET {target}", f"Host: {parts.netloc}", *headers]
    return Preview("request", "\n".join(lines))

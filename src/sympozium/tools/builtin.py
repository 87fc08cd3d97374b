"""The built-in tools: what the model is told about them, and what does them.

Commands and files go to `shell` (or, for a command with a target, to that skill); `fetch_url` is
done here, since it runs nothing that the model wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympozium.mcpsocket import types
from sympozium.policy.network import may_connect
from sympozium.policy.tools import SHELL, TOOL_SERVER
from sympozium.shell.client import ShellClient, ShellError, ShellLostError
from sympozium.shell.render import render
from sympozium.tools.fetch import FetchError, fetch
from sympozium.tools.names import COMMAND_TOOL
from sympozium.tools.requests import REMEMBER, SCHEDULE, SPAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sympozium.tools.asked import Asked
    from sympozium.tools.fetch import Address
    from sympozium.tools.judge import Judge
    from sympozium.tools.live import Live

DEFAULT_CHARS = 20_000


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _tool(name: str, description: str, required: list[str], /, **properties: dict[str, Any]) -> types.Tool:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return types.Tool(name=name, description=description, input_schema=schema)


def schemas(targets: Sequence[str], *, memory: bool = False) -> list[types.Tool]:
    """The built-in tools of a run whose commands can run in `targets` (the shell, skills), and that may have notes."""
    path = _text("Path, relative to the workspace.")
    edit = {
        "type": "object",
        "properties": {
            "old": _text("Exact text to replace; must occur once, unless all is true."),
            "new": _text("Text to put there."),
            "all": {"type": "boolean", "description": "Replace every occurrence."},
        },
        "required": ["old", "new"],
        "additionalProperties": False,
    }
    line = {"type": "integer", "minimum": 1}
    tools = []
    if targets:
        where = "Where it runs: " + ", ".join(targets) + f". Without it: {SHELL}."
        tools.append(
            _tool(
                COMMAND_TOOL,
                "Run a command line with /bin/sh and return its output and exit code. "
                f"{SHELL} has no network: fetch_url is the way to a page.",
                ["command"],
                command=_text("Command line."),
                workdir=_text("Directory, relative to the workspace."),
                timeout={"type": "number", "exclusiveMinimum": 0, "maximum": 3600, "description": "Seconds; 120 without it."},
                target={"type": "string", "enum": list(targets), "description": where},
            )
        )  # fmt: skip
    return [
        *tools,
        _tool(
            "read_file",
            "Read lines of a text file of the workspace.",
            ["path"],
            path=path,
            offset={**line, "description": "First line, from 1."},
            limit={**line, "description": "Number of lines."},
        ),
        _tool("write_file", "Write a whole file of the workspace.", ["path", "content"], path=path, content=_text("The content.")),
        _tool(
            "edit_file",
            "Replace exact texts in a file of the workspace, all of them or none.",
            ["path", "edits"],
            path=path,
            edits={"type": "array", "minItems": 1, "items": edit},
        ),
        _tool("list_directory", "List a directory of the workspace.", ["path"], path=path),
        _tool(
            "fetch_url",
            "Read a page of the public internet with GET. Private addresses are refused.",
            ["url"],
            url=_text("http or https URL."),
            max_chars={**line, "maximum": 200_000, "description": f"Characters to return; {DEFAULT_CHARS} without it."},
            headers={"type": "object", "additionalProperties": {"type": "string"}, "description": "Request headers."},
        ),
        *_requested(),
        *([_remember()] if memory else []),
    ]  # fmt: skip


def _requested() -> list[types.Tool]:
    """Tools that the control plane does (`requests.py`)."""
    return [
        _tool(
            SPAWN,
            "Give a task to another run, which works on its own with no more rights than this one, and return its "
            "answer. It knows nothing but the task: say everything that it needs.",
            ["task"],
            task={**_text("What to do, in plain words."), "minLength": 1},
            instance={**_text("Agent that does it; without it another one like this."), "minLength": 1},
            wait={"type": "boolean", "description": "false: return at once, the answer does not come here. Default true."},
        ),
        _tool(
            SCHEDULE,
            "Have a task done again and again by later runs of this agent, which know nothing but the task. "
            "create needs name, schedule and task; delete needs name; list shows what there is.",
            [],
            name=_text("Name of the schedule: lower-case letters, digits and dashes."),
            schedule=_text("Cron expression of five fields in UTC, @hourly and its like, or @every 30m."),
            task=_text("What to do each time, in plain words."),
            action={"type": "string", "enum": ["create", "delete", "list"], "description": "create without it."},
        ),
    ]  # fmt: skip


def _remember() -> types.Tool:
    return _tool(
        REMEMBER,
        "Write into the notes that later runs of this agent are given at their start. Note what will still be true and "
        "useful then; no secrets.",
        ["text"],
        text={**_text("A note, or with replace all notes anew."), "minLength": 1},
        action={
            "type": "string",
            "enum": ["append", "replace"],
            "description": "append (a note more) without it.",
        },
    )


class Builtin:
    """Does the built-in tools that need no skill. Every method returns (text, is_error)."""

    def __init__(
        self,
        *,
        shell: ShellClient,
        judge: Judge,
        live: Live,
        allowed: Callable[[Address], bool],
    ) -> None:
        self._shell = shell
        self._judge = judge
        self._live = live
        self._allowed = allowed

    async def call(self, asked: Asked, *, expect: str | None = None) -> tuple[str, bool]:
        """One call, whose arguments fit the tool's schema. `expect` is the state of the file that a person saw."""
        name, arguments = asked.tool, asked.arguments
        try:
            if name == "fetch_url":
                return await self._fetch(**arguments)
            if name == COMMAND_TOOL:
                arguments = {k: v for k, v in arguments.items() if k != "target"}
                return render(await self._shell.call("exec", **arguments))
            return await self._file(name, arguments, expect), False
        except (ShellError, ShellLostError, FetchError) as error:
            return str(error), True

    async def _file(self, name: str, arguments: dict[str, Any], expect: str | None) -> str:
        expected = {} if expect is None else {"expect": expect}
        result = await self._shell.call(name, **arguments, **expected)
        path = arguments["path"]
        if name == "write_file":
            return f"{'created' if result['created'] else 'replaced'} {path}, {result['size']} bytes"
        if name == "edit_file":
            return f"edited {path}: {result['replacements']} replacement(s), now {result['size']} bytes"
        if name == "list_directory":
            return _listing(result)
        text = str(result["text"])
        if result["truncated"]:
            last = result["firstLine"] + result["lines"] - 1
            text += f"\n[... {path} goes on behind line {last}; read on with offset {last + 1} ...]"
        return text or f"[{path} is empty]"

    async def _fetch(
        self, *, url: str, max_chars: int = DEFAULT_CHARS, headers: dict[str, str] | None = None
    ) -> tuple[str, bool]:
        def refused(next_url: str) -> str | None:
            # Where a page sends us is not what was judged, and not what a person may have agreed to.
            following = {"url": next_url, "max_chars": max_chars}
            verdict = self._judge.gate("fetch_url", TOOL_SERVER, following, self._live.rules)
            return None if verdict.allowed else f"{verdict.reason} [{verdict.rule}]"

        page = await fetch(
            url,
            headers=headers,
            allowed=self._allowed,
            permitted=lambda *where: may_connect(self._live.rules.policy, *where),
            refused=refused,
        )
        if b"\0" in page.body[:8192]:
            return (
                f"{page.url}: {page.content_type or 'binary content'}, {len(page.body)} bytes, not text",
                True,
            )
        text = page.body.decode(errors="replace")
        head = f"{page.url}: status {page.status}, {page.content_type or 'no content type'}"
        if len(text) > max_chars or page.truncated:
            more = "more than " if page.truncated else ""
            head += f" [the first {min(max_chars, len(text))} of {more}{len(text)} characters]"
        return f"{head}\n\n{text[:max_chars]}", page.status >= 400


def _listing(result: dict[str, Any]) -> str:
    marks = {"directory": "/", "file": "", "link": "", "other": " (neither file nor directory)"}
    lines = [
        f"{e['name']}{marks[e['kind']]}"
        + (f" -> {e['target']}" if "target" in e else f"  {e['size']} bytes" if e["kind"] == "file" else "")
        for e in result["entries"]
    ]
    if result["omitted"]:
        lines.append(f"[... {result['omitted']} more entries are not shown ...]")
    return "\n".join(lines) or "[empty directory]"

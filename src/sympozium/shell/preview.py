"""What a file tool would do to a file, as a unified diff, without doing it.

Reads only. The answer carries the `state` that the diff was made of; the call that follows is handed it back as
`expect`, and is refused when the file is no longer in it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from sympozium.shell import files
from sympozium.shell.beneath import Located, locate

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 48_000
"""Characters of a preview's text."""
MAX_LINES = 2000
"""Changed lines on either side for which a diff is made: its cost is their product."""
_CONTEXT = 3
_HUNK = re.compile(r"^@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@$")


def preview(root: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """text, truncated, basis, and problem (None, or what the text does not show). OperationError: the call would fail."""
    path = str(arguments["path"])
    if tool == "edit_file":
        with files.located(root, path) as place:
            data = files.read_whole(place, path)
            after = files.edited(path, data, arguments["edits"])[0].encode()
            return _shown(root, place, path, data, after)
    content = str(arguments["content"]).encode("utf-8", "surrogateescape")
    try:
        with locate(root, path) as place:
            return _shown(root, place, path, _before(place, path), content)
    except FileNotFoundError:  # not even its directory
        diff = _diff(path, None, content)
        return _answer([f"{path}: a new file in a new directory", diff], files.ABSENT)


def _before(place: Located, path: str) -> bytes | None:
    """Content of the file as it is: None when there is none."""
    try:
        with files.regular(place, path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > files.MAX_FILE:
                return b"\0"  # shown like other content that is no text
            data: bytes = file.read()
            return data
    except FileNotFoundError:
        return None


def _shown(root: str, place: Located, path: str, before: bytes | None, after: bytes) -> dict[str, Any]:
    basis = files.state(place)
    really = files.resolved(place)
    lines = []
    if really != os.path.join(os.path.realpath(root), path.removeprefix("/")):  # noqa: PTH118 - pathlib is start time
        lines.append(f"{path} leads to {really}")
    size = "" if before is None else f" instead of {os.stat(place.name, dir_fd=place.parent).st_size}"
    lines.append(f"{path}: {'a new file' if before is None else 'replaced'}, {len(after)} bytes{size}")
    if before is not None and b"\0" in before[:8192]:
        lines.append(_diff(path, None, after))
        return _answer(lines, basis, "what is there now is not shown: it is binary, or too large")
    return _answer([*lines, _diff(path, before, after)], basis)


def _answer(lines: list[str], basis: str, problem: str | None = None) -> dict[str, Any]:
    text = "\n".join(line for line in lines if line)
    return {
        "text": text[:MAX_TEXT],
        "truncated": len(text) > MAX_TEXT,
        "basis": basis,
        "problem": problem,
    }


def _diff(path: str, before: bytes | None, after: bytes) -> str:
    if b"\0" in after[:8192]:
        return f"binary content, {len(after)} bytes"
    old = _lines(before or b"")
    new = _lines(after)
    same = _common(old, new, lambda i: i)
    most = min(len(old), len(new)) - same
    tail = min(most, _common(old, new, lambda i: -1 - i))
    first = max(0, same - _CONTEXT)
    old, new = (
        old[first : len(old) - max(0, tail - _CONTEXT)],
        new[first : len(new) - max(0, tail - _CONTEXT)],
    )
    if max(len(old), len(new)) > MAX_LINES and old:
        gone = f"[{len(old)} lines from line {first + 1} on are replaced by these {len(new)}]"
        return "\n".join([gone, *(f"+{line}" for line in new)])
    import difflib  # not at the start of every shell

    head = "/dev/null" if before is None else path
    diff = difflib.unified_diff(old, new, head, path, lineterm="", n=_CONTEXT)
    return "\n".join(_moved(line, first) for line in diff) or "[no change]"


def _lines(data: bytes) -> list[str]:
    """By line feeds alone: other line ends are characters that a person is to see."""
    if not data:
        return []
    lines = data.decode(errors="backslashreplace").split("\n")
    if lines[-1]:
        return [*lines[:-1], lines[-1] + "\n\\ No newline at end of file"]
    return lines[:-1]


def _common(old: list[str], new: list[str], place: Callable[[int], int]) -> int:
    count = 0
    while count < min(len(old), len(new)) and old[place(count)] == new[place(count)]:
        count += 1
    return count


def _moved(line: str, by: int) -> str:
    """The header of a hunk with the line numbers of the whole file."""
    found = _HUNK.match(line)
    if not found or not by:
        return line
    old, old_count, new, new_count = found.groups()
    return f"@@ -{int(old) + by}{old_count or ''} +{int(new) + by}{new_count or ''} @@"

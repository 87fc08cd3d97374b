"""Open a path beneath a directory, links resolved, without a moment in which it could be swapped.

`realpath` and then `open` is a race: a command that runs at the same time can put a link in
between. So the path is walked one component at a time with directory descriptors and
`O_NOFOLLOW`; a link is read and its parts are walked the same way; `..` goes back to the
descriptor we came from, never to the kernel's idea of the parent, and never above the root.
`openat2(RESOLVE_BENEATH)` does nearly this in one call, but it refuses absolute links that stay
inside and needs ctypes; the walk costs some microseconds.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINKS = 40
"""As the kernel's own limit (path_resolution(7))."""

_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class PathRefusedError(Exception):
    """The path leaves the workspace, or cannot be walked; the text says which and what to do."""


class Located:
    """Where a path ended: the directory that holds it, and its name there (`.` for the root).

    `parent` is an O_PATH descriptor that lives until the context of `locate` ends.
    """

    def __init__(self, parent: int, name: str) -> None:
        self.parent = parent
        self.name = name

    def open(self, flags: int, mode: int = 0o644) -> int:
        """Open the object; a link that appeared since the walk is refused with ELOOP."""
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.parent)


@contextlib.contextmanager
def locate(root: str, path: str, *, create_parents: bool = False) -> Iterator[Located]:
    """Resolve `path` (relative to `root`, or absolute inside it) to a parent descriptor and a name.

    The last component need not exist. Raises PathRefusedError when it would leave `root`, OSError
    as open(2) does (FileNotFoundError, NotADirectoryError).
    """
    if "\0" in path:
        raise PathRefusedError("the path contains a NUL byte")
    root = os.path.realpath(root)
    pending = list(reversed(_parts(root, path, shown=path)))
    stack = [os.open(root, _DIRECTORY)]
    links = 0
    name = "."
    try:
        while pending:
            part = pending.pop()
            if part == "..":
                if len(stack) == 1:
                    raise PathRefusedError(f"{path!r} leaves the workspace {root}; use a path beneath it")
                os.close(stack.pop())
                continue
            target = _link(part, stack[-1])
            if target is not None:
                links += 1
                if links > MAX_LINKS:
                    raise PathRefusedError(f"{path!r} goes through more than {MAX_LINKS} links")
                if target.startswith("/"):
                    parts = _parts(root, target, shown=f"{path} -> {target}")
                    while len(stack) > 1:
                        os.close(stack.pop())
                else:
                    parts = _split(target)
                pending.extend(reversed(parts))
                continue
            if not pending:
                name = part
                break
            stack.append(_enter(part, stack[-1], create=create_parents))
        yield Located(stack[-1], name)
    finally:
        for descriptor in stack:
            os.close(descriptor)


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _parts(root: str, path: str, *, shown: str) -> list[str]:
    if not path.startswith("/"):
        return _split(path)
    if path == root or path.startswith(root.rstrip("/") + "/"):
        return _split(path[len(root) :])
    raise PathRefusedError(f"{shown!r} is outside the workspace {root}; use a path beneath it")


def _link(name: str, parent: int) -> str | None:
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    return os.readlink(name, dir_fd=parent) if stat.S_ISLNK(mode) else None


def _enter(name: str, parent: int, *, create: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
    with contextlib.suppress(FileExistsError):  # made by someone else meanwhile: the open decides
        os.mkdir(name, 0o755, dir_fd=parent)
    return os.open(name, _DIRECTORY, dir_fd=parent)

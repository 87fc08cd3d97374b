"""The file operations on the workspace: bounded, atomic where they write, plain about binaries.

Every function takes the workspace root and returns what the answer's `result` holds. Errors
that the caller (in the end the model) can act on are `OperationError`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, Any

from sympozium.shell.beneath import Located, PathRefusedError, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE = 8 * 1024 * 1024
"""Bytes of the largest file that is edited, and of the largest content that is written."""
MAX_READ = 256 * 1024
"""Bytes of text that one read returns; the rest is named, and reached with `offset`."""
ABSENT = "absent"
"""Word in the `state` of a place where nothing is; all of it where not even a directory is."""
MAX_ENTRIES = 1000
"""Names that one listing returns; how many were left out is in the answer."""


class OperationError(Exception):
    """What was wrong with an operation, where, and what to do. Shown to the model."""


def read_file(root: str, path: str, *, offset: int = 1, limit: int | None = None) -> dict[str, Any]:
    """Lines of a text file.

    Returns text, size (bytes of the file), firstLine, lines (in `text`), totalLines (None when the
    end was not reached) and truncated.
    """
    if offset < 1 or (limit is not None and limit < 1):
        raise OperationError("offset is the first line, counted from 1, and limit a number of lines above 0")
    with located(root, path) as place, regular(place, path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8192)
        if b"\0" in head:
            raise OperationError(
                f"{path} is a binary file of {size} bytes (it starts with {head[:8].hex(' ')}); "
                "look at it with execute_command"
            )
        file.seek(0)
        number, kept, text_bytes, truncated = 0, bytearray(), 0, False
        lines = 0
        # readline with a bound: one line of a gigabyte must not be read into memory.
        while line := file.readline(MAX_READ):
            number += 1
            if number < offset:
                continue
            if limit is not None and lines >= limit:
                truncated = True
                break
            if text_bytes + len(line) > MAX_READ:
                kept += line[: MAX_READ - text_bytes]
                lines += 1
                truncated = True
                break
            kept += line
            text_bytes += len(line)
            lines += 1
    if number < offset and not (number == 0 and offset == 1):
        raise OperationError(f"{path} has {number} lines, offset {offset} is behind its end")
    return {
        "text": kept.decode(errors="replace"),
        "size": size,
        "firstLine": offset,
        "lines": lines,
        "totalLines": None if truncated else number,
        "truncated": truncated,
    }


def write_file(root: str, path: str, content: str, *, expect: str | None = None) -> dict[str, Any]:
    """Write a whole file, making directories on the way; readers see the old or the new one.

    With `expect` only if the file is in that `state`. Returns size (bytes) and created.
    """
    data = content.encode("utf-8", "surrogateescape")
    if expect is not None:  # before a directory is made on the way
        with contextlib.suppress(FileNotFoundError), locate(root, path) as place:
            _as_expected(place, path, expect)
    with located(root, path, create_parents=True) as place:
        return {"size": len(data), "created": _replace(place, path, data, expect)}


def edit_file(
    root: str, path: str, edits: list[dict[str, Any]], *, expect: str | None = None
) -> dict[str, Any]:
    """Replace exact texts, all of them or none.

    Each edit is {old, new, all?}; `old` must occur exactly once unless `all` is true. With `expect` only if the
    file is in that `state`. Returns replacements and size (bytes).
    """
    with located(root, path) as place:
        text, replacements = edited(path, read_whole(place, path), edits)
        data = text.encode()
        _replace(place, path, data, expect)
    return {"replacements": replacements, "size": len(data)}


def read_whole(place: Located, path: str) -> bytes:
    """The bytes of a file that is small enough to be edited."""
    with regular(place, path) as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            raise OperationError(f"{path} is larger than {MAX_FILE} bytes; edit it with execute_command")
        data: bytes = file.read()
    return data


def edited(path: str, data: bytes, edits: list[dict[str, Any]]) -> tuple[str, int]:
    """The text after all edits, and how many replacements they are."""
    if not edits:
        raise OperationError("edits is empty: give at least one {old, new}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise OperationError(f"{path} is not UTF-8 text ({error}); edit it with execute_command") from error
    replacements = 0
    for index, edit in enumerate(edits):
        old, new, everywhere = edit["old"], edit["new"], bool(edit.get("all", False))
        count = text.count(old) if old else 0
        if count == 0:
            raise OperationError(f"edits[{index}].old does not occur in {path}; read the file again")
        if count > 1 and not everywhere:
            raise OperationError(
                f"edits[{index}].old occurs {count} times in {path}; give more of its surroundings, or all: true"
            )
        text = text.replace(old, new)
        replacements += count
    return text, replacements


def state(place: Located) -> str:
    """What stands at a place now, in words that change when it does: where that is, and nothing, or a file with its
    content, or something else.
    """
    where = resolved(place)
    try:
        descriptor = place.open(os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return f"{where} {ABSENT}"
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_FILE:
        os.close(descriptor)
        return f"{where} {info.st_ino}:{info.st_size}:{info.st_mtime_ns}"
    with os.fdopen(descriptor, "rb") as file:
        return f"{where} {hashlib.sha256(file.read()).hexdigest()}"


def resolved(place: Located) -> str:
    """The path of a place with links resolved, as the kernel has it."""
    parent = os.readlink(f"/proc/self/fd/{place.parent}")  # noqa: PTH115 - pathlib is start time
    return parent if place.name == "." else f"{parent.rstrip('/')}/{place.name}"


def _as_expected(place: Located, path: str, expect: str) -> None:
    now = state(place)
    if now != expect and not (expect == ABSENT and now.endswith(f" {ABSENT}")):
        raise OperationError(
            f"{path} is not what it was when a person was shown what this call would do; nothing was written. "
            "Look at it, and call again to have it decided anew"
        )


def list_directory(root: str, path: str) -> dict[str, Any]:
    """Entries of a directory, by name: [{name, kind file|directory|link|other, size, target?}].

    `omitted` is the number of entries above MAX_ENTRIES that are not in the list.
    """
    with located(root, path) as place:
        descriptor = place.open(os.O_RDONLY | os.O_DIRECTORY)
        try:
            names = sorted(os.listdir(descriptor))  # noqa: PTH208 - a descriptor, which pathlib cannot list
            entries = [_entry(name, descriptor) for name in names[:MAX_ENTRIES]]
        finally:
            os.close(descriptor)
    return {"entries": [e for e in entries if e], "omitted": max(0, len(names) - MAX_ENTRIES)}


def _entry(name: str, directory: int) -> dict[str, Any] | None:
    try:
        info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISLNK(info.st_mode):
            return {
                "name": name,
                "kind": "link",
                "size": info.st_size,
                "target": os.readlink(name, dir_fd=directory),
            }
    except FileNotFoundError:
        return None  # removed since listdir: it is not there any more, and that is the truth
    kind = "directory" if stat.S_ISDIR(info.st_mode) else "file" if stat.S_ISREG(info.st_mode) else "other"
    return {"name": name, "kind": kind, "size": info.st_size}


@contextlib.contextmanager
def located(root: str, path: str, *, create_parents: bool = False) -> Iterator[Located]:
    """`locate` with its errors, and those of what is done inside, in words for the model."""
    try:
        with locate(root, path, create_parents=create_parents) as place:
            yield place
    except PathRefusedError as error:
        raise OperationError(str(error)) from error
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror or error}") from error


def regular(place: Located, path: str) -> Any:
    # O_NONBLOCK: opening a FIFO that nobody writes to must not hang this thread.
    descriptor = place.open(os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        kind = "a directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "not a regular file"
        os.close(descriptor)
        raise OperationError(f"{path} is {kind}")
    return os.fdopen(descriptor, "rb")


def _replace(place: Located, path: str, data: bytes, expect: str | None) -> bool:
    if len(data) > MAX_FILE:
        raise OperationError(f"the content of {path} has {len(data)} bytes, the limit is {MAX_FILE}")
    try:
        old = os.stat(place.name, dir_fd=place.parent, follow_symlinks=False)
    except FileNotFoundError:
        mode, created = 0o644, True
    else:
        if not stat.S_ISREG(old.st_mode):
            raise OperationError(f"{path} exists and is no regular file")
        mode, created = stat.S_IMODE(old.st_mode), False
    temporary = f".{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode, dir_fd=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if expect is not None:
            _as_expected(place, path, expect)
        os.rename(temporary, place.name, src_dir_fd=place.parent, dst_dir_fd=place.parent)
    except BaseException:
        os.unlink(temporary, dir_fd=place.parent)
        raise
    return created

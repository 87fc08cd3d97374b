"""Container logs as files in the CRI line format, and reading them back as `kubectl logs` asks for it.

    2026-01-02T03:04:05.123456789Z stdout F text of the line

`P` in place of `F` marks a line that goes on in the next entry. A container's output of one attempt is
`<attempt>.log`, rotated to `<attempt>.log.1` ... when it has reached 10 MiB, five files at most.
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)

LINE_LIMIT = 16 * 1024
ROTATE_BYTES = 10 * 1024 * 1024
ROTATE_FILES = 5


def stamp(nanoseconds: int) -> str:
    """RFC 3339 with nine digits."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z"


class LogWriter:
    """Writes the output of one attempt; `changed` wakes whoever follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size
        self._pending: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self._waiters: set[asyncio.Event] = set()
        self._full = False
        self.closed = False

    def feed(self, stream: str, data: bytes) -> None:
        """Output as it came, in pieces of any size."""
        data = self._pending[stream] + data
        *lines, rest = data.split(b"\n")
        out = bytearray()
        head = f"{stamp(time.time_ns())} {stream} ".encode()
        for line in lines:
            while len(line) > LINE_LIMIT:
                out += head + b"P " + line[:LINE_LIMIT] + b"\n"
                line = line[LINE_LIMIT:]  # noqa: PLW2901  # what is left of the same line
            out += head + b"F " + line + b"\n"
        while len(rest) >= LINE_LIMIT:
            out += head + b"P " + rest[:LINE_LIMIT] + b"\n"
            rest = rest[LINE_LIMIT:]
        self._pending[stream] = rest
        if out:
            self._write(bytes(out))

    def close(self) -> None:
        for stream, rest in self._pending.items():
            if rest:
                # Without a newline to the end: the reader must not see one either.
                self._write(f"{stamp(time.time_ns())} {stream} P ".encode() + rest + b"\n")
        self._file.close()
        self.closed = True
        self._wake()

    def discard(self) -> None:
        """For an attempt that did not come about."""
        self.close()
        self.path.unlink()

    def _write(self, data: bytes) -> None:
        if self._size and self._size + len(data) > ROTATE_BYTES:
            self._rotate()
        try:
            self._size += self._file.write(data) or 0
            self._full = False
        except OSError as exc:
            # The container goes on without its log: it must not be able to stop the node by filling the disk.
            if not self._full:
                _log.error("output of a container is lost: %s: %s", self.path, exc)
            self._full = True
        self._wake()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(ROTATE_FILES - 2, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        self._file = self.path.open("ab", buffering=0)
        self._size = 0

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set at every write and at the end."""
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            yield event
        finally:
            self._waiters.discard(event)


@dataclass(frozen=True, slots=True)
class Query:
    """The options of `GET .../log` (PodLogOptions)."""

    follow: bool = False
    tail: int | None = None
    since: str = ""
    """Only lines at or after this RFC 3339 time with nine digits, in UTC."""
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""
    """`stdout` or `stderr`; both when empty."""


def since_time(text: str) -> str:
    """Any RFC 3339 time in the form in which log lines compare. Raises ValueError."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def files(path: Path) -> list[Path]:
    """The rotated files of an attempt, oldest first."""
    numbered = [path.with_name(f"{path.name}.{n}") for n in range(ROTATE_FILES - 1, 0, -1)]
    return [file for file in (*numbered, path) if file.exists()]


def render(line: bytes, query: Query) -> bytes | None:
    """One stored line as the client gets it, or None when the query leaves it out."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return None
    when, stream, tag, text = parts
    if (query.stream and stream != query.stream.encode()) or (query.since and when < query.since.encode()):
        return None
    text = text.rstrip(b"\n") + (b"\n" if tag == b"F" else b"")
    return when + b" " + text if query.timestamps else text


async def read(path: Path, query: Query, writer: LogWriter | None) -> AsyncIterator[bytes]:
    """The log of one attempt. With `follow` and a `writer`, goes on until that writer is closed."""
    sent = 0
    async for chunk in _chunks(path, query, writer):
        if query.limit_bytes is not None and sent + len(chunk) >= query.limit_bytes:
            yield chunk[: query.limit_bytes - sent]
            return
        sent += len(chunk)
        yield chunk


async def _chunks(path: Path, query: Query, writer: LogWriter | None) -> AsyncIterator[bytes]:
    with contextlib.ExitStack() as stack:
        event = stack.enter_context(writer.watching()) if writer and query.follow else None
        try:
            current = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            return
        older = [file for file in files(path) if file != path]
        for chunk in _stored(older, query, current.readlines()):
            yield chunk
        while event is not None and writer is not None:
            ended = writer.closed
            event.clear()
            fresh = [text for line in current.readlines() if (text := render(line, query)) is not None]
            if fresh:
                yield b"".join(fresh)
                continue
            if writer.path.exists() and writer.path.stat().st_ino != _inode(current):
                current = stack.enter_context(writer.path.open("rb"))
                continue
            if ended:
                return
            await event.wait()


def _inode(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_ino


def _stored(older: list[Path], query: Query, current: list[bytes]) -> Iterator[bytes]:
    lines: Iterator[bytes] | deque[bytes] = _lines(older, current)
    rendered = (text for line in lines if (text := render(line, query)) is not None)
    if query.tail is not None:
        yield b"".join(deque(rendered, maxlen=query.tail))
        return
    batch, size = [], 0
    for text in rendered:
        batch.append(text)
        size += len(text)
        if size > 64 * 1024:
            yield b"".join(batch)
            batch, size = [], 0
    if batch:
        yield b"".join(batch)


def _lines(older: list[Path], current: list[bytes]) -> Iterator[bytes]:
    for path in older:
        with path.open("rb") as file:
            yield from file
    yield from current


def tail_text(path: Path, *, lines: int = 80, limit: int = 2048) -> str:
    """The end of a log without its prefixes: for `terminationMessagePolicy: FallbackToLogsOnError`."""
    texts: deque[bytes] = deque(maxlen=lines)
    for file in files(path):
        with file.open("rb") as opened:
            texts.extend(text for line in opened if (text := render(line, Query())) is not None)
    return b"".join(texts)[-limit:].decode(errors="replace")

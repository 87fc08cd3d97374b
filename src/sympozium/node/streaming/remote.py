"""A program, or a container that runs already, at the channels of a client: exec and attach.

    client ── channels ──┬─ stdin ──► pipe or terminal ──► program
                         ├─ stdout, stderr ◄── pipes or terminal
                         ├─ resize ──► terminal
                         └─ error ◄── how it ended

Each direction holds one piece and waits for its receiver, so a slow side slows the other one and nothing piles
up. When the client is gone its end of the pipes is closed or its terminal hangs up; the program goes on if it
likes, as with any runtime. When the program has ended, what it wrote is sent first, then its exit code.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sympozium.node import execution
from sympozium.node.execution import Execution, Inside
from sympozium.node.pipes import PipeWriter, open_reader, open_writer
from sympozium.node.runtime import StartError
from sympozium.node.server import RequestError
from sympozium.node.streaming.channels import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    Channels,
    ChannelsError,
    Status,
)
from sympozium.node.streaming.duplex import CHUNK, GoneError

ORPHAN_SECONDS = 5.0
"""After the program's end: how long something that it left behind may keep the output open without writing."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of the URL, in the kubelet's words: `input`, `output`, `error`, `tty`, `command`."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    command: tuple[str, ...]

    @property
    def channels(self) -> set[int]:
        flags = {STDIN: self.stdin, STDOUT: self.stdout, STDERR: self.stderr, RESIZE: self.tty, ERROR: True}
        return {channel for channel, wanted in flags.items() if wanted}


def options_of(query: dict[str, list[str]]) -> Options:
    """Raises RequestError. A terminal has one output: stderr is not asked for beside it."""

    def flag(name: str) -> bool:
        return query.get(name, [""])[0] == "1"

    stdin, stdout, stderr, tty = flag("input"), flag("output"), flag("error"), flag("tty")
    if tty and stderr:
        stderr = False
    if not (stdin or stdout or stderr):
        raise RequestError(400, "you must specify at least 1 of stdin, stdout, stderr")
    return Options(stdin, stdout, stderr, tty, tuple(query.get("command", ())))


def success() -> Status:
    return {"metadata": {}, "status": "Success"}


def exited(code: int) -> Status:
    """The Status of a command that was run."""
    if code == 0:
        return success()
    return {
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }  # fmt: skip


def failed(why: str) -> Status:
    """The Status of a command that could not be run."""
    return {
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": f"Internal error occurred: {why}", "details": {"causes": [{"message": why}]},
    }  # fmt: skip


class Sizes:
    """The window sizes in a resize channel: JSON objects, one after another, in pieces of any size."""

    def __init__(self, resize: Callable[[int, int], None]) -> None:
        self._resize = resize
        self._text = ""
        self._decoder = json.JSONDecoder()

    def feed(self, data: bytes) -> None:
        """What is no size is dropped: a terminal of the wrong size is no reason to end a session."""
        self._text = (self._text + data.decode("ascii", "replace"))[-1024:].lstrip()
        while self._text:
            try:
                size, end = self._decoder.raw_decode(self._text)
            except ValueError:
                return
            self._text = self._text[end:].lstrip()
            if isinstance(size, dict):
                width, height = size.get("Width"), size.get("Height")
                if (
                    isinstance(width, int)
                    and isinstance(height, int)
                    and 0 < width < 65536
                    and 0 < height < 65536
                ):
                    with contextlib.suppress(OSError):
                        self._resize(width, height)


async def execute(channels: Channels, inside: Inside, options: Options) -> None:
    """From the open channels to the last word. Cancelling ends the program."""
    try:
        await channels.open(options.channels)
        try:
            running = await execution.start(
                inside,
                options.command,
                stdin=options.stdin,
                tty=options.tty,
                stdout=options.stdout,
                stderr=options.stderr,
            )
        except (StartError, OSError, TimeoutError) as exc:
            why = f"error executing command in container: unable to start container process: {exc}"
            await channels.finish(failed(why))
            return
        try:
            await _converse(channels, running, options)
        except asyncio.CancelledError:
            running.kill()
            raise
        finally:
            running.close()
    except (GoneError, ChannelsError):
        return
    finally:
        await channels.close()


async def _converse(channels: Channels, running: Execution, options: Options) -> None:
    async with contextlib.AsyncExitStack() as stack:
        ended = asyncio.Event()
        outputs: list[Awaitable[None]] = []
        for channel, descriptor in ((STDOUT, running.stdout), (STDERR, running.stderr)):
            if descriptor is not None:
                reader, transport = await open_reader(os.dup(descriptor), CHUNK)
                stack.callback(transport.close)
                outputs.append(_send_output(reader, channels, channel, ended))
        writer = None
        if running.stdin is not None and options.stdin:
            writer = await open_writer(os.dup(running.stdin))
            stack.callback(writer.abort)
        if not running.terminal:
            running.close()  # the streams have descriptors of their own; the pipes must end with them
        sizes = Sizes(running.resize)
        async with asyncio.TaskGroup() as group:
            sending = [group.create_task(_run(output)) for output in outputs]
            listening = group.create_task(_listen(channels, writer, sizes, closable=not running.terminal))
            waiting = group.create_task(running.wait())
            await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                ended.set()
                if sending:
                    await asyncio.wait(sending)
                listening.cancel()
                with contextlib.suppress(GoneError):
                    await channels.finish(exited(waiting.result()))
            for task in (*sending, listening, waiting):
                task.cancel()


async def _run(work: Awaitable[None]) -> None:
    await work


async def _send_output(
    reader: asyncio.StreamReader, channels: Channels, channel: int, ended: asyncio.Event
) -> None:
    """Until the stream ends, or the program has and nothing more comes for a while, or the client is gone."""
    with contextlib.suppress(GoneError):
        while data := await _read(reader, ended):
            await channels.send(channel, data)


async def _read(reader: asyncio.StreamReader, ended: asyncio.Event) -> bytes:
    """b"" at the end. Which of two comes first: data, or the program's end and then silence."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read(CHUNK))
        ending = group.create_task(ended.wait())
        await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=ORPHAN_SECONDS)
        ending.cancel()
        if not reading.done():
            reading.cancel()
            return b""
        return reading.result()


async def _listen(channels: Channels, writer: PipeWriter | None, sizes: Sizes, *, closable: bool) -> None:
    """What the client sends, until it is gone."""
    while (received := await channels.receive()) is not None:
        channel, data = received
        if channel == RESIZE and data:
            sizes.feed(data)
        elif channel == STDIN and writer is not None:
            if data is not None:
                await writer.write(data)
            elif closable:
                writer.end()

"""A client at the streams of a container that runs: its output from now on, and its input if it has one.

Several clients may be attached at once: each gets all output, and their input is mixed. A client that takes its
output slowly slows the container down (`taps`), until it has taken nothing for too long and is cut off.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from sympozium.node.runtime import Process
from sympozium.node.streaming.channels import RESIZE, STDERR, STDIN, STDOUT, Channels, ChannelsError
from sympozium.node.streaming.duplex import GoneError
from sympozium.node.streaming.remote import Options, Sizes, failed, success
from sympozium.node.taps import Tap


@dataclass(frozen=True, slots=True)
class Attached:
    """A running container. `stdin_once`: its input ends with the first client that had it."""

    process: Process
    tty: bool
    stdin_once: bool


async def attach(channels: Channels, attached: Attached, options: Options) -> None:
    """Until the container has ended (and its last output is sent), or the client is gone."""
    wanted = options.channels - {RESIZE}
    if attached.tty:  # of the container, whatever the client asks for: a terminal has one output
        wanted = (wanted | ({RESIZE} if options.tty else set())) - {STDERR}
    tap = attached.process.tap()
    try:
        await channels.open(wanted)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(tap, channels, wanted))
            listening = group.create_task(_listen(channels, attached, stdin=STDIN in wanted))
            await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not sending.cancelled():
                listening.cancel()
                await channels.finish(failed(tap.cut) if tap.cut else success())
            sending.cancel()
    except (GoneError, ChannelsError):
        return
    finally:
        tap.close()
        if attached.stdin_once and STDIN in wanted and attached.process.stdin is not None:
            attached.process.stdin.end()
        await channels.close()


async def _send(tap: Tap, channels: Channels, wanted: set[int]) -> None:
    with contextlib.suppress(GoneError):
        while (item := await tap.get()) is not None:
            stream, data = item
            channel = STDOUT if stream == "stdout" else STDERR
            if channel in wanted:
                await channels.send(channel, data)


async def _listen(channels: Channels, attached: Attached, *, stdin: bool) -> None:
    sizes = Sizes(attached.process.resize)
    while (received := await channels.receive()) is not None:
        channel, data = received
        if channel == RESIZE and data:
            sizes.feed(data)
        elif channel == STDIN and stdin and (target := attached.process.stdin) is not None:
            if data:
                await target.write(data)
            elif data is None and attached.stdin_once:
                target.end()

"""`sympozium logs`: the transcript of a run, from the bus, as far as its signatures hold.

Who may read the Secret `sympozium-bus-reader` may read every run; Kubernetes RBAC decides that. The run's object
says whose messages to believe (its uid), and ends `--follow` when nothing more will come.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from sympozium.bus.connection import BusError
from sympozium.bus.history import Stored
from sympozium.bus.messages import RUN_RESULT, RUN_STARTED
from sympozium.bus.reader import Reader
from sympozium.bus.subjects import RunRef
from sympozium.cli import runs
from sympozium.cli.busaccess import bus_access
from sympozium.cli.failures import CommandError
from sympozium.cli.output import say
from sympozium.cli.session import Session
from sympozium.cli.transcript import Transcript
from sympozium.kube import NotFoundError

_LAST_WORD = 5.0
"""Seconds to wait for the result, where the run's object is terminal and it was not read yet."""


async def logs(session: Session, name: str, *, follow: bool, as_json: bool = False) -> None:
    """Print the messages of a run, with `follow` until it ends. Raises CommandError."""
    run = await find_run(session, name)
    ref = RunRef(session.namespace, name, run["metadata"]["uid"])
    printer = Printer(as_json=as_json)
    try:
        async with open_reader(session) as reader:
            if follow:
                await _follow(session, reader, ref, printer)
            else:
                for stored in await reader.transcript(ref):
                    printer.show(stored)
    except BusError as exc:
        raise CommandError(f"{exc}; is nats-server running? (sympozium status)") from exc
    if not printer.shown:
        phase = (run.get("status") or {}).get("phase") or "Pending"
        print(f"agentrun {name} has said nothing yet (phase {phase})", file=sys.stderr)
    if reader.dropped:
        print(
            f"warning: {reader.dropped} messages on the subjects of this run were not signed by it; not shown",
            file=sys.stderr,
        )


class Printer:
    """Messages as text for a person, or as one JSON object a line."""

    def __init__(self, *, as_json: bool) -> None:
        self._transcript = None if as_json else Transcript()
        self.shown = 0

    def show(self, stored: Stored) -> None:
        self.shown += 1
        message = stored.message
        if self._transcript is not None:
            sys.stdout.write(self._transcript.text(message.type, dict(message.data)))
            sys.stdout.flush()
            return
        line = {
            "sequence": stored.sequence,
            "time": message.time,
            "source": message.source,
            "type": message.type,
            "data": message.data,
        }
        say(json.dumps(line, ensure_ascii=False))


async def find_run(session: Session, name: str) -> dict[str, Any]:
    """The object of a run. Raises CommandError."""
    try:
        return await session.client.get(runs.AGENT_RUN, name, session.namespace)
    except NotFoundError:
        raise CommandError(
            f"no agentrun {name!r} in namespace {session.namespace}; `sympozium get agentruns -A` shows all"
        ) from None


@asynccontextmanager
async def open_reader(session: Session) -> AsyncIterator[Reader]:
    """The bus, to read with. Raises CommandError, BusError."""
    access = await bus_access(session)
    reader = await Reader.open(access.url, access.user, access.controller_key)
    try:
        yield reader
    finally:
        await reader.close()


async def _follow(session: Session, reader: Reader, ref: RunRef, printer: Printer) -> None:
    """Until the run's object says that it ended and its last word was shown, where there is one."""
    result = asyncio.Event()
    reading = asyncio.create_task(_read(reader, ref, printer, result))
    ending = asyncio.create_task(_ended(session, ref, result))
    try:
        done, _ = await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        reading.cancel()
        ending.cancel()
        await asyncio.gather(reading, ending, return_exceptions=True)


async def _read(reader: Reader, ref: RunRef, printer: Printer, result: asyncio.Event) -> None:
    async with aclosing(reader.follow(ref)) as messages:
        async for stored in messages:
            printer.show(stored)
            # A retry starts again after a result; the object, not the message, tells the end.
            if stored.message.type == RUN_STARTED:
                result.clear()
            elif stored.message.type == RUN_RESULT:
                result.set()


async def _ended(session: Session, ref: RunRef, result: asyncio.Event) -> None:
    run = await runs.terminal(session, ref.name)
    if run["metadata"]["uid"] != ref.uid:
        raise CommandError(f"agentrun {ref.name!r} was deleted and made again meanwhile")
    # Cancelled, or its pod lost: there may be no last word.
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD):
            await result.wait()

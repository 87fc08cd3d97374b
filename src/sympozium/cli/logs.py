"""`sympozium logs`: the transcript of a run, from the bus, as far as its signatures hold.

Who may read the Secret `sympozium-bus-reader` may read every run; Kubernetes RBAC decides that. The run's object
says whose messages to believe (its uid), and ends `--follow` when nothing more will come.
"""

import asyncio
import json
import sys
from contextlib import aclosing, suppress

from sympozium.actions.bus import open_reader
from sympozium.actions.errors import StaleError
from sympozium.actions.runs import terminal
from sympozium.bus.history import Stored
from sympozium.bus.messages import RUN_RESULT, RUN_STARTED
from sympozium.bus.reader import Reader
from sympozium.bus.subjects import RunRef
from sympozium.cli import runs
from sympozium.cli.output import say
from sympozium.cli.session import Session
from sympozium.cli.transcript import Transcript

_LAST_WORD = 5.0
"""Seconds to wait for the result, where the run's object is terminal and it was not read yet."""


async def logs(session: Session, name: str, *, follow: bool, as_json: bool = False) -> None:
    """Print the messages of a run, with `follow` until it ends. Raises ActionError, KubeError, BusError."""
    run = await runs.find(session, name)
    ref = RunRef(session.namespace, name, run["metadata"]["uid"])
    printer = Printer(as_json=as_json)
    async with open_reader(session.client) as reader:
        if follow:
            await _follow(session, reader, ref, printer)
        else:
            for stored in await reader.transcript(ref):
                printer.show(stored)
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
    run = await terminal(session.client, session.namespace, ref.name)
    if run["metadata"]["uid"] != ref.uid:
        raise StaleError(f"agentrun {ref.name!r} was deleted and made again meanwhile")
    # Cancelled, or its pod lost: there may be no last word.
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD):
            await result.wait()

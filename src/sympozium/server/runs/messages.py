"""The verified messages of a run, read from the stream at once: for what is put together from all of them."""

from dataclasses import dataclass
from typing import Final

from sympozium.bus.errors import BusError
from sympozium.bus.history import Stored, Verifier, stored
from sympozium.bus.subjects import RunRef
from sympozium.server.bus import Bus

READ_MAX: Final = 16 * 1024 * 1024
"""Bytes of a run's messages that are read; the stream and the record have the rest."""


@dataclass(frozen=True, slots=True)
class Said:
    """`complete` False: the run has said more than is read at once."""

    messages: list[Stored]
    complete: bool


async def said(bus: Bus, run: RunRef) -> Said:
    """In order. Raises BusError while the bus is away."""
    connection, controller = bus.connection, bus.controller
    if connection is None or controller is None or not bus.connected:
        raise BusError("the bus, where transcripts are, does not answer")
    verifier = Verifier(run, controller)
    found: list[Stored] = []
    size = 0
    async for raw in stored(connection, run):
        size += len(raw.data)
        if size > READ_MAX:
            return Said(found, complete=False)
        message = verifier.take(raw)
        if message is not None:
            found.append(Stored(raw.sequence, message))
    return Said(found, complete=True)

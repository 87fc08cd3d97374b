"""Server-Sent Events as a client reads them: an incremental parser without I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is None for an event that has none of its own; `data` is decoded JSON."""

    event: str
    id: int | None
    data: Any


class Parser:
    """`last_id` is what a client sends as Last-Event-ID when it connects again."""

    def __init__(self) -> None:
        self.last_id: int | None = None
        self.comments: list[str] = []
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[Event]:
        """The events that are whole by now. Raises ValueError for what is no event of ours."""
        *blocks, self._rest = (self._rest + received).split(b"\n\n")
        for block in blocks:
            event = self._event(block.decode())
            if event is not None:
                yield event

    def _event(self, block: str) -> Event | None:
        kind, data, own = "message", [], None
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                self.last_id = own = int(value)
            elif not name:
                self.comments.append(value)
        return Event(kind, own, json.loads("\n".join(data))) if data else None

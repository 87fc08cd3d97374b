"""Events of a stream as bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html).

The framing is FastAPI's. Data is one line of JSON, so nothing that a run says can begin an event of its own.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from sympozium.bus.messages import Message

PING = KEEPALIVE_COMMENT


def frame(
    event: str, data: Mapping[str, Any], *, place: int | None = None, retry: int | None = None
) -> bytes:
    """One event. `place` becomes its id, from which a client that comes back goes on."""
    return format_sse_event(
        event=event, data_str=encode(data), id=None if place is None else str(place), retry=retry
    )


def encode(data: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(data).decode()
    except TypeError:  # a whole number beyond 64 bits, in the arguments of a call
        return json.dumps(data, ensure_ascii=False)


def event_of(place: int, message: Message) -> dict[str, Any]:
    """A message as a RunEvent."""
    return {
        "seq": place,
        "time": message.time,
        "type": message.type,
        "source": message.source,
        "data": message.data,
    }


def data_of(framed: bytes) -> bytes:
    """The JSON of an event that `frame` has made."""
    _, _, rest = framed.partition(b"\ndata: ")
    return rest.partition(b"\n")[0]

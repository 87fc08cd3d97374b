"""How deep objects may be nested.

Everything that walks an object does so by calling itself, and so does orjson, which ends at 254 levels.
What a client sends is held to less, because lists, tables and managedFields put it a few levels deeper.
"""

from typing import Any

import orjson

from sympozium.localkube.errors import bad_request

MAX_DEPTH = 200
_ROOM = 254 - MAX_DEPTH


def compact(value: Any) -> bytes:
    """`value` as JSON. Raises ApiError 400 when it is nested deeper than MAX_DEPTH."""
    wrapped = value
    for _ in range(_ROOM):
        wrapped = (wrapped,)
    try:
        return orjson.dumps(wrapped)[_ROOM:-_ROOM]
    except orjson.JSONEncodeError as error:
        raise bad_request(f"json: exceeded max depth: at most {MAX_DEPTH} levels") from error

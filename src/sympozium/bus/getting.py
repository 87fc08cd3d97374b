"""One message of a stream, asked of the server that leads it.

A direct get would be answered by any server that has a copy, also by one that has not heard the latest: then keys
that were stored before they were given out would not be there, and what they signed would pass for forged.
https://docs.nats.io/reference/reference-protocols/nats_api_reference#fetching-from-a-stream-by-sequence
"""

import base64
import json

from sympozium.bus.errors import BusError


def get_subject(stream: str) -> str:
    return f"$JS.API.STREAM.MSG.GET.{stream}"


def message_of(answer: bytes) -> tuple[int, str, bytes] | None:
    """Sequence, subject and data; None where there is no such message, or no such stream yet. Raises BusError."""
    found = json.loads(answer)
    if error := found.get("error"):
        if error.get("code") == 404:
            return None
        raise BusError(f"{error.get('code')} {error.get('description', '')}")
    message = found["message"]
    return int(message["seq"]), str(message["subject"]), base64.b64decode(message.get("data") or "")

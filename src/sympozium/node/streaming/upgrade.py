"""What a request asks the connection to become, and the answer that makes it so.

WebSocket by RFC 6455, SPDY/3.1 by the header `Upgrade: SPDY/3.1`; which protocol runs on top is chosen from
the client's offers: `Sec-WebSocket-Protocol` in the one case, `X-Stream-Protocol-Version` in the other.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sympozium.node.server import RequestError

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
_VERSION = "x-stream-protocol-version"


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request; `headers` as they came, names in lower case."""

    method: str
    path: tuple[str, ...]
    query: dict[str, list[str]]
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """All values of a header that is a list."""
        return [
            part.strip()
            for key, text in self.headers
            if key == name
            for part in text.split(",")
            if part.strip()
        ]


@dataclass(frozen=True, slots=True)
class Chosen:
    """`websocket` or SPDY, the protocol on top ("" when the client offered none), and the 101 answer."""

    websocket: bool
    protocol: str
    answer: bytes


def parse_headers(lines: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    """Raises RequestError."""
    found = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise RequestError(400, "a header line is not one")
        found.append((name.lower(), value.strip()))
    return tuple(found)


def choose(head: Head, *, websocket: Sequence[str], spdy: Sequence[str]) -> Chosen:
    """`websocket` and `spdy` are the protocols that are served, "" being that of a client that offers none.

    Raises RequestError.
    """
    wanted = {text.lower() for text in head.values("upgrade")}
    if "upgrade" not in {text.lower() for text in head.values("connection")} or not wanted:
        raise RequestError(400, "Upgrade request required")
    if "websocket" in wanted:
        return _websocket(head, websocket)
    if "spdy/3.1" in wanted:
        return _spdy(head, spdy)
    raise RequestError(400, f"upgrade to {', '.join(sorted(wanted))}: only websocket and SPDY/3.1 are served")


def _websocket(head: Head, served: Sequence[str]) -> Chosen:
    key = next(iter(head.values("sec-websocket-key")), "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        valid = False
    if head.method != "GET" or head.values("sec-websocket-version") != ["13"] or not valid:
        raise RequestError(
            400, "not a WebSocket handshake of RFC 6455: GET, version 13 and a key of 16 bytes"
        )
    offered = head.values("sec-websocket-protocol")
    protocol = next((name for name in offered if name in served), None if offered or "" not in served else "")
    if protocol is None:
        known = ", ".join(name for name in served if name)
        raise RequestError(
            400,
            f"unable to upgrade: the client offers {', '.join(offered) or 'no protocol'}, served are {known}",
        )
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
    lines = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return Chosen(True, protocol, _switching(lines))


def _spdy(head: Head, served: Sequence[str]) -> Chosen:
    offered = head.values(_VERSION)
    protocol = next((name for name in offered if name in served), None if offered or "" not in served else "")
    if protocol is None:
        known = ", ".join(name for name in served if name)
        raise RequestError(
            403,
            f"unable to upgrade: unable to negotiate protocol: client supports {offered}, server accepts [{known}]",
        )
    lines = ["Upgrade: SPDY/3.1", "Connection: Upgrade"]
    if protocol:
        lines.append(f"X-Stream-Protocol-Version: {protocol}")
    return Chosen(False, protocol, _switching(lines))


def _switching(lines: list[str]) -> bytes:
    return ("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines]) + "\r\n\r\n").encode()

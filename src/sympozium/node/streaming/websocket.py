"""One WebSocket connection (RFC 6455), by wsproto: the handshake has been done by `upgrade`.

Messages are passed on in pieces as they arrive, however large they are: `first` says that a piece begins one,
which is all that the channel protocols need.
"""

import contextlib
from collections import deque
from dataclasses import dataclass

from wsproto.connection import Connection as WsConnection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from sympozium.node.streaming.duplex import Connection, GoneError


@dataclass(frozen=True, slots=True)
class Piece:
    data: bytes
    first: bool
    last: bool


class WebSocket:
    """`receive` is for one task; several may send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._protocol = WsConnection(ConnectionType.SERVER)
        self._pieces: deque[Piece] = deque()
        self._beginning = True
        self._ended = False

    async def receive(self) -> Piece | None:
        """None at the end: closed by the peer, lost, or not WebSocket any more."""
        while not self._pieces:
            if self._ended:
                return None
            data = await self._connection.read()
            if not data:
                self._ended = True
                continue
            try:
                self._protocol.receive_data(data)
                await self._take()
            except (RemoteProtocolError, LocalProtocolError, GoneError) as exc:
                self._ended = True
                reason = getattr(exc, "event_hint", None)
                if isinstance(reason, CloseConnection):
                    await self._last_words(reason)
        return self._pieces.popleft()

    async def _take(self) -> None:
        for event in self._protocol.events():
            if isinstance(event, BytesMessage | TextMessage):
                data = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
                self._pieces.append(Piece(data, self._beginning, event.message_finished))
                self._beginning = event.message_finished
            elif isinstance(event, Ping):
                await self._connection.write(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                self._ended = True
                closing = self._protocol.state is ConnectionState.REMOTE_CLOSING
                await self._last_words(event.response() if closing else event)  # else: not WebSocket

    async def _last_words(self, event: CloseConnection) -> None:
        with contextlib.suppress(GoneError, LocalProtocolError):
            await self._connection.write(self._protocol.send(event))

    async def send(self, data: bytes, *, text: bool = False) -> None:
        """One message. Returns when there is room for more. Raises GoneError."""
        event = TextMessage(data=data.decode("ascii")) if text else BytesMessage(data=data)
        try:
            frame = self._protocol.send(event)
        except LocalProtocolError as exc:
            raise GoneError(str(exc)) from exc
        await self._connection.write(frame)

    async def close(self) -> None:
        if self._protocol.state is ConnectionState.OPEN:
            await self._last_words(CloseConnection(code=CloseReason.NORMAL_CLOSURE))
        await self._connection.close()


class Tunnel:
    """The bytes of a SPDY connection in the binary messages of a WebSocket, whatever their borders."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while (piece := await self._socket.receive()) is not None:
            if piece.data:
                return piece.data
        return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(data)

    async def close(self) -> None:
        await self._socket.close()

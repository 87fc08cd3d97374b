"""A connection of uvicorn that can be cut from within a request.

ASGI has no word for it: a response that is not read can only be waited for.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_UP: Final = "hang_up"
"""In `scope["state"]`: `hang_up(last, seconds)` sends the last bytes of a chunked response and ends the connection,
which is cut when they are not taken in that time."""


class Connection(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        state: dict[str, Any] = {**self.app_state, HANG_UP: self._hang_up}
        self.app_state = state

    def _hang_up(self, last: bytes, seconds: float) -> None:
        """What was written before is sent first, for a client that reads after all."""
        transport = self.transport
        if transport.is_closing():
            transport.abort()
            return
        transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))
        transport.close()
        self.loop.call_later(seconds, transport.abort)

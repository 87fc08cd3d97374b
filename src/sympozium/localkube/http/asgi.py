"""ASGI to `wire` and back: read the body, authenticate, hand to the chain, send what it answers.

A stream races the client: whoever is gone first ends it. Without reading `http.disconnect` a watch
whose client has left would live until its timeout.
"""

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sympozium.localkube.bodies import LIMIT
from sympozium.localkube.chain import Chain, refusal
from sympozium.localkube.errors import ApiError, too_large
from sympozium.localkube.types import Authenticator
from sympozium.localkube.wire import Answer, Request, Stream, Tunnel

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PEER_CERTIFICATE = "sympozium.peer_certificate"
TAKE_OVER = "sympozium.take_over"
"""In the scope: a function that gives reader and writer of the connection, None when the client has left."""
ABORT = "sympozium.abort"
"""In the scope: cuts the connection, whatever of the answer is not sent."""
GZIP_FROM = 128 * 1024
BODY_SECONDS = 60.0
"""For a request's body to be here whole; as long as kube-apiserver lets a request take."""
STALL_SECONDS = 60.0
"""For a client of a stream to take one chunk: one that hangs must not keep its events in our memory."""


class Application:
    def __init__(self, chain: Chain, authenticator: Authenticator) -> None:
        self._chain = chain
        self._authenticator = authenticator
        self.closing = False
        """Set when the server goes down: a watch whose client comes back at once would hold it up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise TypeError(f"localkube serves http, not {scope['type']}")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                request = await self._read(scope, receive)
        except TimeoutError:
            log.warning("a request's body was not here within %d s", BODY_SECONDS)
            scope[ABORT]()
            return
        except ApiError as error:
            await _send_answer(send, refusal(error), {}, head=scope["method"] == "HEAD")
            return
        if request is None:
            return
        if self.closing and request.flag("watch"):
            gone = refusal(ApiError(503, "the server is shutting down", retry_after=1))
            await _send_answer(send, gone, {}, head=False)
            return
        answer = await self._chain.handle(request)
        if isinstance(answer, Tunnel):
            await _run_tunnel(scope, answer)
        elif isinstance(answer, Stream):
            await _send_stream(receive, send, answer, scope[ABORT])
        else:
            await _send_answer(send, answer, request.headers, head=request.method == "HEAD")

    async def _read(self, scope: Scope, receive: Receive) -> Request | None:
        """The request with its user; None when the client left before its body ended.

        Raises ApiError 401, 413.
        """
        headers = _headers(scope["headers"])
        certificate = scope.get(PEER_CERTIFICATE)
        user = await self._authenticator.authenticate(headers, certificate)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            size += len(message.get("body", b""))
            if size > LIMIT:
                raise too_large(LIMIT)
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        return Request(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii"),
            query_string=scope["query_string"].decode("ascii", "replace"),
            headers=headers,
            body=b"".join(chunks),
            user=user,
            peer_certificate=certificate,
        )


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Repeated headers are joined with a comma (Impersonate-Group comes several times)."""
    found: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


def _start(answer: Answer | Stream, extra: list[tuple[str, str]]) -> Message:
    headers = [("content-type", answer.content_type), *answer.headers, *extra]
    if not any(name == "cache-control" for name, _ in headers):
        headers.append(("cache-control", "no-cache, private"))
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
    return {"type": "http.response.start", "status": answer.status, "headers": encoded}


async def _send_answer(send: Send, answer: Answer, asked: Any, *, head: bool) -> None:
    body, extra = answer.body, []
    if len(body) > GZIP_FROM and "gzip" in asked.get("accept-encoding", ""):
        # Level 1, as the API server: the point is the slow link, not the last per cent.
        body = await asyncio.to_thread(gzip.compress, body, compresslevel=1)
        extra.append(("content-encoding", "gzip"))
    extra.append(("content-length", str(len(body))))
    if answer.status == 413:
        # The rest of the body would have to be read and thrown away before the next request.
        extra.append(("connection", "close"))
    await send(_start(answer, extra))
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _send_stream(receive: Receive, send: Send, stream: Stream, abort: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        listener = group.create_task(_until_disconnect(receive, stream))
        try:
            await send(_start(stream, []))
            async for chunk in stream.chunks:
                try:
                    async with asyncio.timeout(STALL_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    abort()
                    break
            await send({"type": "http.response.body", "body": b""})
        finally:
            listener.cancel()
            await stream.close()


async def _run_tunnel(scope: Scope, tunnel: Tunnel) -> None:
    """The connection is the tunnel's from here on; ASGI hears no more of it."""
    streams = scope[TAKE_OVER]()
    if streams is None:
        tunnel.discard()
        return
    reader, writer = streams
    await tunnel.run(reader, writer, [f"{name}: {value}" for name, value in tunnel.headers])


async def _until_disconnect(receive: Receive, stream: Stream) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            stream.on_close()
            return

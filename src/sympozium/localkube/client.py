"""The API from inside the process: the built-in controllers' client.

A request goes through the very same chain as one that came over HTTPS, except that its user is given
and not authenticated: routing, authorization, admission, validation and storage are not by-passed, so
a controller can do exactly what its roles allow, and webhooks see it by name.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol
from urllib.parse import urlencode

import orjson

from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object, UserInfo
from sympozium.localkube.wire import Answer, Request, Stream, Tunnel

JSON = "application/json"


class Handler(Protocol):
    """The chain after authentication (`localkube.chain.Chain.handle`)."""

    async def handle(self, request: Request) -> Answer | Stream | Tunnel: ...


class InProcess:
    """A client with one identity.

    Never raises for an answer: `request` returns the HTTP status with the decoded object (a Status for
    errors), as a client over the network would see it.
    """

    def __init__(self, handler: Handler, user: UserInfo) -> None:
        self._handler = handler
        self._user = user

    def as_user(self, user: UserInfo) -> "InProcess":
        """The same API with another identity."""
        return InProcess(self._handler, user)

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        user: UserInfo | None = None,
    ) -> tuple[int, Object]:
        """One request and its decoded answer; `path` may carry a query string itself."""
        answer = await self._handler.handle(self._build(method, path, body, query, content_type, user))
        if isinstance(answer, Stream):
            await answer.close()
            raise TypeError(f"{method} {path} answers with a stream: use watch()")
        assert isinstance(answer, Answer)  # a tunnel is for who asks for an upgrade
        is_json = answer.content_type.startswith(JSON)
        return answer.status, orjson.loads(answer.body) if answer.body and is_json else {}

    async def watch(
        self, path: str, *, query: Mapping[str, str] | None = None, user: UserInfo | None = None
    ) -> AsyncIterator[Object]:
        """Events `{"type": ..., "object": ...}` until the server ends the stream.

        A refused watch raises ApiError at the first step. Cancelling the consumer, or closing the
        iterator, releases the watch.
        """
        asked = {"watch": "true", "allowWatchBookmarks": "true", **(query or {})}
        answer = await self._handler.handle(self._build("GET", path, None, asked, JSON, user))
        if isinstance(answer, Answer):
            if not answer.content_type.startswith(JSON):  # the path of a resource whose definition has gone
                raise ApiError(answer.status, answer.body.decode("utf-8", "replace"), reason="NotFound")
            status = orjson.loads(answer.body)
            raise ApiError(
                answer.status, status["message"], reason=status["reason"], details=status.get("details")
            )
        assert isinstance(answer, Stream)
        try:
            async for chunk in answer.chunks:
                for line in chunk.splitlines():
                    yield orjson.loads(line)
        finally:
            await answer.close()

    def _build(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | bytes | None,
        query: Mapping[str, str] | None,
        content_type: str,
        user: UserInfo | None,
    ) -> Request:
        path, _, inline = path.partition("?")
        text = "&".join(part for part in (inline, urlencode(query or {})) if part)
        raw = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        who = user or self._user
        headers = {"accept": JSON, "user-agent": f"localkube/{who.username.rpartition(':')[2]}"}
        if raw:
            headers["content-type"] = content_type
        return Request(method=method, path=path, query_string=text, headers=headers, body=raw, user=who)

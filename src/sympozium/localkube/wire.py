"""A request and its answer, apart from how they travel.

HTTPS (`http/`) and the in-process client (`client.py`) both build a `Request` and get an `Answer` or a
`Stream` back from the chain, so neither has rules that the other lacks.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

import orjson

from sympozium.localkube.types import Object, UserInfo

ANONYMOUS = UserInfo(username="system:anonymous", groups=("system:unauthenticated",))


@dataclass(slots=True, kw_only=True)
class Request:
    """What is asked. `path` is the decoded path, `headers` have lower-case keys."""

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: UserInfo = ANONYMOUS
    peer_certificate: bytes | None = None
    warnings: list[str] = field(default_factory=list)
    """Become `Warning: 299` headers of the answer."""
    _query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """Parameters, the first one of a name wins; empty values are kept."""
        if self._query is None:
            self._query = dict(reversed(parse_qsl(self.query_string, keep_blank_values=True)))
        return self._query

    def flag(self, name: str) -> bool:
        """A boolean parameter: `false` and `0` are false, and whatever else is there is true."""
        found = self.query.get(name)
        return found is not None and found.lower() not in {"false", "0"}

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    def segments(self) -> list[str]:
        """The parts of the path; a trailing slash adds none."""
        return [unquote(part) for part in self.path.split("/") if part]


@dataclass(slots=True, kw_only=True)
class Answer:
    """A complete answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Stream:
    """An answer that goes on: a watch or a followed log.

    `on_close` makes `chunks` end soon, from outside and while they are being read (the client is gone);
    it may be called more than once. `close()` is for the reader itself, when it stops early.
    """

    chunks: AsyncGenerator[bytes, None]
    status: int = 200
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    on_close: Callable[[], None] = lambda: None

    async def close(self) -> None:
        self.on_close()
        await self.chunks.aclose()


def json_answer(obj: Object, status: int = 200) -> Answer:
    return Answer(status=status, body=orjson.dumps(obj))


@dataclass(slots=True, kw_only=True)
class Tunnel:
    """An upgrade that a node has granted: the client's connection is to become the node's.

    `run(reader, writer, extra header lines)` is given that connection, sends the 101 answer and returns when
    it is over; `discard` is for when there is no such connection any more.
    """

    run: Callable[[asyncio.StreamReader, asyncio.StreamWriter, list[str]], Awaitable[None]]
    discard: Callable[[], None]
    status: int = 101
    headers: list[tuple[str, str]] = field(default_factory=list)

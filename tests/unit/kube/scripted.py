"""An HTTP server on loopback that answers as the test says: what the client meets on the wire, byte by byte.

The behaviour of a real API server is tested against one in tests/cluster; here stand the answers that one
cannot be made to give on demand.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sympozium.kube import Client
from sympozium.kube.kubeconfig import Access


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Stream:
    """The rest of a streamed answer: `send` objects or raw bytes, then leave the handler."""

    writer: asyncio.StreamWriter

    async def event(self, type_: str, obj: dict[str, Any]) -> None:
        await self.raw(json.dumps({"type": type_, "object": obj}).encode() + b"\n")

    async def raw(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()


Answer = tuple[int, Any] | Callable[[Stream], Awaitable[None]]
Handler = Callable[[Asked], Answer]


@dataclass
class Api:
    handler: Handler
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def client(self, **user: Any) -> Client:
        url = f"http://127.0.0.1:{self.port}"
        # Plain HTTP: authorities, which nobody asks, would take longer to read than most tests run.
        cluster = {"insecure-skip-tls-verify": True}
        return Client(Access(url, "default", "the test", cluster, user), field_manager="tester")

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                await _answer(writer, self.handler(asked))
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    return Asked(method, parts.path, query, headers, json.loads(body) if body else None)


async def _answer(writer: asyncio.StreamWriter, answer: Answer) -> None:
    if callable(answer):
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await answer(Stream(writer))
        writer.write(b"0\r\n\r\n")
    else:
        status, content = answer
        extra = content.pop("_headers", "") if isinstance(content, dict) else ""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
    await writer.drain()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Api]:
    api = Api(handler)
    server = await asyncio.start_server(api.connected, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()


def status(code: int, reason: str, message: str = "no", **details: Any) -> tuple[int, dict[str, Any]]:
    body = {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }
    return code, body


def config_map(name: str, version: int, **labels: str) -> dict[str, Any]:
    meta = {
        "name": name,
        "namespace": "default",
        "resourceVersion": str(version),
        "uid": f"u-{name}",
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def bookmark(version: int, *, end: bool = False) -> dict[str, Any]:
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"resourceVersion": str(version), "annotations": annotations},
    }

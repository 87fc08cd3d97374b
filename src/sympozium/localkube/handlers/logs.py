"""GET pods/<name>/log: proxied to the node, which serves its containers' logs as a kubelet does.

Which node and where is in the Node object (status.addresses, status.daemonEndpoints); we show it our
kubelet client certificate and check its own against our CA.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httptools

from sympozium.localkube.errors import ApiError, bad_request, internal, invalid
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import whole_number
from sympozium.localkube.handlers.read import find
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request, Stream

if TYPE_CHECKING:
    from sympozium.localkube.handlers.streams.tunnel import Tunnels

CONNECT_SECONDS = 10.0
CHUNK = 64 * 1024
NUMBERS = ("tailLines", "limitBytes", "sinceSeconds")
STREAMS = ("All", "Stdout", "Stderr")
FLAGS = ("follow", "previous", "timestamps")


class NodeLogs:
    """A client of the nodes' log endpoints."""

    def __init__(self, *, certificate: Path, key: Path, authority: Path) -> None:
        self._files = (certificate, key, authority)
        self._context: ssl.SSLContext | None = None
        self._tunnels: Tunnels | None = None

    @property
    def tunnels(self) -> "Tunnels":
        """The upgraded connections to nodes."""
        if self._tunnels is None:
            from sympozium.localkube.handlers.streams.tunnel import Tunnels

            self._tunnels = Tunnels()
        return self._tunnels

    def end_streams(self) -> None:
        """At the end of the server."""
        if self._tunnels is not None:
            self._tunnels.end()

    async def connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError, TimeoutError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(host, port, ssl=self._tls())

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            certificate, key, authority = self._files
            self._context = ssl.create_default_context(cafile=str(authority))
            self._context.load_cert_chain(certificate, key)
        return self._context

    async def open(self, host: str, port: int, path: str) -> "LogResponse":
        """Sends the request and reads the head of the answer. Raises ApiError 500."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port, ssl=self._tls())
                response = LogResponse(reader, writer)
                try:
                    writer.write(
                        f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode()
                    )
                    await response.head()
                except BaseException:
                    response.abort()
                    raise
        except (OSError, TimeoutError, httptools.HttpParserError) as error:
            raise internal(f'Get "https://{host}:{port}{path}": {str(error) or "timed out"}') from error
        return response


class LogResponse:
    """The answer of a node, as it arrives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._ready = False
        self._done = False
        self._body: list[bytes] = []

    def on_headers_complete(self) -> None:
        self._ready = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._done = True

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    async def head(self) -> None:
        while not self._ready:
            if not await self._more():
                raise OSError("the node closed the connection before it answered")

    async def _more(self) -> bool:
        data = await self._reader.read(CHUNK)
        if data:
            self._parser.feed_data(data)
        return bool(data)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                if self._body:
                    data, self._body = b"".join(self._body), []
                    yield data
                if self._done or not await self._more():
                    break
            if self._body:
                yield b"".join(self._body)
        finally:
            self.abort()

    def abort(self) -> None:
        """Ends the connection, and with it `chunks` while it is being read.

        At once: a farewell of TLS would wait for the node's, which may go on to write or be gone.
        """
        self._writer.transport.abort()


async def log(
    backend: Backend, nodes: NodeLogs, resource: Resource, target: Target, request: Request
) -> Answer | Stream:
    pod = backend.presenter.shared(find(backend, resource, target), resource)
    query = _query(request, target.name)
    container = _container(pod, request.query.get("container", ""))
    node = pod["spec"].get("nodeName")
    if not node:
        return Answer(status=204, content_type="text/plain")
    entry = backend.store.get("/nodes", "", node)
    if entry is None:
        raise bad_request(f'node "{node}" of pod "{target.name}" is not there')
    host, port = endpoint(entry.object, node)
    path = f"/containerLogs/{target.namespace}/{target.name}/{container}"
    response = await nodes.open(host, port, f"{path}?{urlencode(query)}" if query else path)
    if response.status != 200:
        text = b"".join([chunk async for chunk in response.chunks()]).decode("utf-8", "replace").strip()
        code = response.status if response.status in {400, 404} else 500
        raise ApiError(code, text or f"the node answered {response.status}", details={})
    return Stream(chunks=response.chunks(), content_type="text/plain", on_close=response.abort)


def _query(request: Request, name: str) -> dict[str, str]:
    """The parameters that go on to the node. Raises ApiError 422."""
    query: dict[str, str] = {flag: "true" for flag in FLAGS if request.flag(flag)}
    causes: list[Cause] = []
    for key in NUMBERS:
        text = request.query.get(key)
        if text is None:
            continue
        least = 0 if key == "tailLines" else 1
        number = whole_number(text)
        if number is None or number < least:
            why = f"must be greater than or equal to {least}" if least == 0 else "must be greater than 0"
            causes.append(Cause(key, "FieldValueInvalid", f"Invalid value: {text}: {why}"))
        query[key] = text
    stream = request.query.get("stream")
    if stream is not None:
        query["stream"] = stream
        if stream not in STREAMS:
            supported = ", ".join(f'"{name}"' for name in STREAMS)
            causes.append(
                Cause(
                    "stream",
                    "FieldValueNotSupported",
                    f'Unsupported value: "{stream}": supported values: {supported}',
                )
            )
    if "sinceTime" in request.query:
        query["sinceTime"] = request.query["sinceTime"]
        if "sinceSeconds" in query:
            causes.append(
                Cause(
                    "sinceSeconds",
                    "FieldValueForbidden",
                    "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
                )
            )
    if causes:
        raise invalid("", "PodLogOptions", name, causes)
    return query


def _container(pod: Object, asked: str) -> str:
    """The container whose log is meant. Raises ApiError 400."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    main = [container["name"] for container in spec.get("containers", [])]
    init = [container["name"] for container in spec.get("initContainers", [])]
    if asked:
        if asked not in {*main, *init}:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(main) == 1 and not init:
        return str(main[0])
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in main:
        return str(default)
    if len(main) == 1:
        return str(main[0])
    choices = f"[{' '.join(main)}]"
    also = f" or one of the init containers: [{' '.join(init)}]" if init else ""
    raise bad_request(f"a container name must be specified for pod {name}, choose one of: {choices}{also}")


def endpoint(node: Object, name: str) -> tuple[str, int]:
    """Where a node serves logs and streams. Raises ApiError 500."""
    status = node.get("status", {})
    port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port")
    addresses = {item["type"]: item["address"] for item in status.get("addresses") or []}
    host = addresses.get("InternalIP") or addresses.get("Hostname")
    if not port or not host:
        raise internal(f"node {name} does not say where it serves logs and streams")
    return host, int(port)

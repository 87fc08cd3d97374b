"""Carries the allowed connections out of a pod's own network.

The node accepts on sockets that live inside the pod's network (`netns`) and connects from its own. What was
asked for is the accepted socket's own address; it is checked against the rules again here, connection by
connection, because a socket listens for a port and the rules name addresses.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from typing import Self

from sympozium.node import netns
from sympozium.node.netns import Network
from sympozium.node.network import Egress

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
_CHUNK = 64 * 1024


class PodNetwork:
    """The network of one pod. `network` is what its containers are started in."""

    def __init__(self, egress: Egress, name: str, network: Network, sockets: list[socket.socket]) -> None:
        self.egress = egress
        self.network = network
        self._name = name
        self._sockets = sockets
        self._connections: set[asyncio.Task[None]] = set()
        self.refused = 0

    @classmethod
    async def make(cls, egress: Egress, name: str) -> Self:
        """Make the network with what `egress` allows. Raises OSError."""
        network, sockets = await asyncio.to_thread(netns.create, _local(egress), _listeners(egress))
        return cls(egress, name, network, sockets)

    async def serve(self) -> None:
        """Relay until cancelled; ends every connection then."""
        async with asyncio.TaskGroup() as group:
            for opened in self._sockets:
                group.create_task(self._accept(opened, group))

    def close(self) -> None:
        for opened in self._sockets:
            opened.close()
        self.network.close()

    async def _accept(self, listening: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as exc:
                _log.warning("accept for pod %s: %s", self._name, exc)
                await asyncio.sleep(1)  # out of descriptors: others must end first
                continue
            connection.setblocking(False)
            group.create_task(self._connection(connection))

    def _destination(self, address: str, port: int) -> tuple[str, int] | None:
        for (host, named), inside in self.egress.names.items():
            if inside == address and named == port:
                return host, port
        return (address, port) if self.egress.allows(address, port) else None

    async def _connection(self, inner: socket.socket) -> None:
        address, port = inner.getsockname()[:2]
        destination = self._destination(address, port)
        if destination is None:
            self.refused += 1
            _log.info("pod %s: %s:%s is not allowed by its egress policies", self._name, address, port)
            _reset(inner)
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                outer = await asyncio.open_connection(*destination)
        except (OSError, TimeoutError) as exc:
            _log.info("pod %s: connection to %s:%s: %s", self._name, *destination, exc)
            _reset(inner)
            return
        streams = await asyncio.open_connection(sock=inner)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(streams[0], outer[1]))
                group.create_task(_copy(outer[0], streams[1]))
        finally:
            for writer in (streams[1], outer[1]):
                writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until its end, which is passed on; a broken connection ends quietly like a closed one."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _reset(connection: socket.socket) -> None:
    """Close with RST, so that the pod sees a refusal and not an empty answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def _local(egress: Egress) -> list[str]:
    loopback = ipaddress.IPv4Network("127.0.0.0/8")
    return list(
        dict.fromkeys(str(rule.network) for rule in egress.rules if not rule.network.subnet_of(loopback))
    )


def _listeners(egress: Egress) -> list[tuple[str, int]]:
    """One socket for each single address and port, and one for a port that whole networks are allowed at."""
    wide = {rule.port for rule in egress.rules if rule.network.prefixlen < 32}
    single = {
        (str(rule.network.network_address), rule.port)
        for rule in egress.rules
        if rule.network.prefixlen == 32
    }
    named = {(address, port) for (_, port), address in egress.names.items()}
    # A socket at every address takes the single ones of its port along.
    return sorted({("", port) for port in wide} | {(a, p) for a, p in single | named if p not in wide})

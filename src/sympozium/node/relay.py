"""Carries the allowed connections out of a pod's own network.

The node accepts on sockets that live inside the pod's network (`netns`) and connects from its own. What was
asked for is the accepted socket's own address; it is checked against the rules again here, connection by
connection, because a socket listens for a port and the rules name addresses. Where the node can steer (`steer`),
one socket gets everything that does not go to the pod itself; elsewhere there is one for each allowed port.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from typing import Self

from sympozium.node import netns, steer
from sympozium.node.netns import Network
from sympozium.node.network import DNS_PORT, Egress, Rule
from sympozium.node.switchboard import CLUSTER, RESOLVER, RefusedError, Streams, resolver_of_the_machine

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
_CHUNK = 64 * 1024
EVERYWHERE = IPv4Network("0.0.0.0/0")
_LOOPBACK = IPv4Network("127.0.0.0/8")


Connect = Callable[[str, int], Awaitable[Streams | None]]
"""To a Service or a pod, by address; None for an address of neither. Raises RefusedError or OSError."""


class PodNetwork:
    """The network of one pod. `network` is what its containers are started in."""

    def __init__(
        self,
        egress: Egress,
        name: str,
        network: Network,
        sockets: list[socket.socket],
        steering: steer.Steering | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.egress = egress
        self.network = network
        self.steering = steering
        self._name = name
        self._sockets = sockets
        self._connect = connect
        self.refused = 0

    @classmethod
    async def make(cls, egress: Egress, name: str) -> Self:
        """Make the network with what `egress` allows. Raises OSError."""
        network, sockets = await asyncio.to_thread(netns.create, _local(egress), _listeners(egress))
        return cls(egress, name, network, sockets)

    @classmethod
    async def make_steered(cls, egress: Egress, name: str, address: str, connect: Connect) -> Self:
        """Make one in which every address is answered by the relay, `address` by the pod. Raises OSError."""
        rules = [(IPv4Network(address), False), (CLUSTER, True), (_LOOPBACK, False)]
        local = [address]
        if not egress.sealed:  # else a refusal by the kernel is a clearer one than the relay's
            rules.append((EVERYWHERE, True))
            local = [str(EVERYWHERE)]
        named = {(inside, port) for (_, port), inside in egress.names.items()}
        loopback = {(str(r.network.network_address), r.port) for r in egress.rules if _is_loopback(r)}
        made = await asyncio.to_thread(netns.steered, local, sorted(named | loopback), rules)
        return cls(egress, name, *made, connect)

    async def serve(self) -> None:
        """Relay until cancelled; ends every connection then."""
        async with asyncio.TaskGroup() as group:
            for opened in self._sockets:
                group.create_task(self._accept(opened, group))

    def close(self) -> None:
        if self.steering is not None:
            self.steering.close()
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

    async def _open(self, address: str, port: int) -> Streams:
        """What the pod has asked for. Raises RefusedError or OSError."""
        for (host, named), inside in self.egress.names.items():
            if inside == address and named == port:
                return await asyncio.open_connection(host, port)
        if address == RESOLVER and self._connect:
            machine = resolver_of_the_machine() if port == DNS_PORT and self.egress.dns else None
            if machine is None:
                raise RefusedError("names are not resolved for this pod")
            return await asyncio.open_connection(machine, port)
        if self._connect and (found := await self._connect(address, port)):
            return found
        if not self.egress.allows(address, port):
            raise RefusedError(f"{address}:{port} is not allowed by its egress policies")
        return await asyncio.open_connection(address, port)

    async def _connection(self, inner: socket.socket) -> None:
        address, port = inner.getsockname()[:2]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                outer = await self._open(address, port)
        except (OSError, TimeoutError) as exc:
            self.refused += isinstance(exc, RefusedError)
            _log.info("pod %s: connection to %s:%s: %s", self._name, address, port, exc)
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


def _is_loopback(rule: Rule) -> bool:
    return (
        rule.network.prefixlen == 32
        and rule.network.subnet_of(_LOOPBACK)
        and not rule.network.subnet_of(CLUSTER)
    )


def _local(egress: Egress) -> list[str]:
    return list(
        dict.fromkeys(str(rule.network) for rule in egress.rules if not rule.network.subnet_of(_LOOPBACK))
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

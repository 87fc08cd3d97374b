"""Carries the allowed connections out of a pod's own network.

The node accepts on sockets that live inside the pod's network (`netns`) and connects from its own. What was
asked for is the accepted socket's own address; it is checked against the rules here, connection by
connection, because a socket listens for a port and the rules name addresses. Where the node can steer (`steer`),
one socket gets everything that does not go to the pod itself; elsewhere there is one for each allowed port.

The rules may change under a running pod (`apply`): what is no longer allowed is cut, new connections are judged by
the new rules.
"""

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol, Self

from sympozium import addresses
from sympozium.addresses import LOOPBACK, RefusedError
from sympozium.node import netns, steer
from sympozium.node.netns import Network
from sympozium.node.network import DNS_PORT, NAMES, Egress, Rule
from sympozium.node.services import Backend
from sympozium.node.switchboard import CLUSTER, RESOLVER, Streams, resolver_of_the_machine

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
MOST = 1024
"""Connections of one pod at a time. Each takes two descriptors of the node, which has all pods to serve."""
_CHUNK = 64 * 1024
EVERYWHERE = IPv4Network("0.0.0.0/0")
_Listen = tuple[str, int]


class Neighbours(Protocol):
    """The Services and pods that one pod may reach (`Switchboard`, for that pod)."""

    async def route(self, egress: Egress, address: str, port: int) -> Backend | None: ...
    async def permits(self, egress: Egress, address: str, port: int, backend: Backend) -> bool: ...
    async def dial(self, backend: Backend) -> Streams: ...


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a connection goes: an endpoint, or an address that the node connects to itself."""

    address: str
    port: int
    """As the pod asked."""
    name: tuple[str, int] | None = None
    backend: Backend | None = None
    resolved: str = ""
    """What the name led to."""


class PodNetwork:
    """The network of one pod. `network` is what its containers are started in."""

    def __init__(
        self,
        egress: Egress,
        name: str,
        network: Network,
        listening: dict[_Listen, socket.socket],
        steering: tuple[steer.Steering, socket.socket] | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.egress = egress
        self.network = network
        self._name = name
        self._listening = listening
        self._steering = steering
        self._neighbours = neighbours
        self._group: asyncio.TaskGroup | None = None
        self._accepting: dict[_Listen | None, asyncio.Task[None]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._carried: dict[asyncio.Task[None], _Route] = {}
        self._routes = set(_routes(egress, steered=steering is not None))
        self.refused = 0

    @property
    def steered(self) -> bool:
        return self._steering is not None

    @classmethod
    async def make(cls, egress: Egress, name: str) -> Self:
        """Make the network with what `egress` allows. Raises OSError."""
        wanted = _listeners(egress)
        network, sockets = await asyncio.to_thread(netns.create, _routes(egress, steered=False), wanted)
        return cls(egress, name, network, dict(zip(wanted, sockets, strict=True)))

    @classmethod
    async def make_steered(cls, egress: Egress, name: str, address: str, neighbours: Neighbours) -> Self:
        """Make one in which every address is answered by the relay, `address` by the pod. Raises OSError."""
        rules = [
            (IPv4Network(address), False), (CLUSTER, True), (NAMES, True), (LOOPBACK, False), (EVERYWHERE, True),
        ]  # fmt: skip
        local = [address, *_routes(egress, steered=True)]
        wanted = _on_loopback(egress)
        network, sockets, steering = await asyncio.to_thread(netns.steered, local, wanted, rules)
        taken = sockets.pop()
        return cls(
            egress, name, network, dict(zip(wanted, sockets, strict=True)), (steering, taken), neighbours
        )

    async def serve(self) -> None:
        """Relay until cancelled; ends every connection then."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            if self._steering:
                self._accepting[None] = group.create_task(self._accept(self._steering[1], group))
            for key, opened in self._listening.items():
                self._accepting[key] = group.create_task(self._accept(opened, group))

    async def apply(self, egress: Egress) -> int:
        """Let `egress` hold from now on; returns how many connections were cut. Raises OSError when a part of what is
        newly allowed cannot be opened: what is no longer allowed is closed by then.
        """
        self.egress = egress
        wanted = _on_loopback(egress) if self._steering else _listeners(egress)
        for key in [k for k in self._listening if k not in wanted]:
            if task := self._accepting.pop(key, None):
                task.cancel()
                await asyncio.wait({task})
            self._listening.pop(key).close()
        cut = await self.recheck()
        new = [key for key in wanted if key not in self._listening]
        local = [n for n in _routes(egress, steered=self.steered) if n not in self._routes]
        if new or local:
            opened = await asyncio.to_thread(netns.extend, self.network, local, new)
            self._routes.update(local)
            for key, listening in zip(new, opened, strict=True):
                self._listening[key] = listening
                if self._group is not None:
                    self._accepting[key] = self._group.create_task(self._accept(listening, self._group))
        return cut

    async def recheck(self) -> int:
        """Cut the connections that are not allowed by now; returns how many."""
        cut = [task for task, route in list(self._carried.items()) if not await self._permits(route)]
        for task in cut:
            if route := self._carried.get(task):
                _log.info(
                    "pod %s: connection to %s:%s is cut: no longer allowed",
                    self._name,
                    route.address,
                    route.port,
                )
            task.cancel()
        return len(cut)

    def close(self) -> None:
        if self._steering is not None:
            self._steering[0].close()
            self._steering[1].close()
        for opened in self._listening.values():
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
            if len(self._connections) >= MOST:
                self.refused += 1
                _log.info(
                    "pod %s: a connection is refused: it has %d, the most there may be", self._name, MOST
                )
                _reset(connection)
                continue
            connection.setblocking(False)
            task = group.create_task(self._connection(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    # -- judging

    async def _route(self, address: str, port: int) -> _Route:
        """Where to, if the rules allow it. Raises RefusedError or OSError."""
        if name := self.egress.name_at(address, port):
            return _Route(address, port, name)
        if address == RESOLVER and self._neighbours:
            route = _Route(address, port)
        elif self._neighbours and (found := await self._neighbours.route(self.egress, address, port)):
            return _Route(address, port, backend=found)
        else:
            route = _Route(address, port)
        if not await self._permits(route):
            raise RefusedError(f"{address}:{port} is not allowed by its egress policies")
        return route

    async def _permits(self, route: _Route) -> bool:
        egress, address, port = self.egress, route.address, route.port
        if route.name:
            return egress.name_at(address, port) == route.name and not self._objection(route)
        if address == RESOLVER and self._neighbours:
            return egress.dns and port == DNS_PORT
        if route.backend and self._neighbours:
            try:
                return await self._neighbours.permits(egress, address, port, route.backend)
            except OSError as exc:  # what cannot be judged is not allowed
                _log.warning("pod %s: %s:%s cannot be judged: %s", self._name, address, port, exc)
                return False
        return IPv4Address(address) not in NAMES and egress.allows(address, port)

    def _objection(self, route: _Route) -> bool:
        """Whether what a name led to may not be reached by it (any more)."""
        if not route.resolved or self.egress.allows(route.resolved, route.port):
            return False
        private = route.name in self.egress.private
        return addresses.objection(route.resolved, private=private) is not None

    # -- carrying

    async def _open(self, address: str, port: int) -> tuple[_Route, Streams]:
        """What the pod has asked for. Raises RefusedError or OSError."""
        route = await self._route(address, port)
        if route.name:
            return await self._open_name(route, route.name)
        if address == RESOLVER and self._neighbours:
            machine = resolver_of_the_machine()
            if machine is None:
                raise RefusedError("this machine has no resolver")
            return route, await asyncio.open_connection(machine, port)
        if route.backend and self._neighbours:
            return route, await self._neighbours.dial(route.backend)
        return route, await asyncio.open_connection(address, port)

    async def _open_name(self, route: _Route, name: tuple[str, int]) -> tuple[_Route, Streams]:
        egress, port = self.egress, route.port
        found = await addresses.resolve(
            name[0], port, lambda ip: egress.allows(ip, port), private=name in egress.private
        )
        problem: OSError = RefusedError(f"{name[0]} has no IPv4 address")
        for resolved in found:
            try:
                streams = await asyncio.open_connection(resolved, port)
            except OSError as exc:
                problem = exc
            else:
                return _Route(route.address, port, name, resolved=resolved), streams
        raise problem

    async def _connection(self, inner: socket.socket) -> None:
        address, port = inner.getsockname()[:2]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                route, outer = await self._open(address, port)
        except (OSError, TimeoutError) as exc:
            self.refused += isinstance(exc, RefusedError)
            _log.info("pod %s: connection to %s:%s: %s", self._name, address, port, exc)
            _reset(inner)
            return
        task = asyncio.current_task()
        assert task is not None
        try:
            streams = await asyncio.open_connection(sock=inner)
        except BaseException:
            outer[1].transport.abort()
            raise
        self._carried[task] = route
        ended = False
        try:
            # The rules may have changed while it was being opened.
            if await self._permits(route):
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(streams[0], outer[1]))
                    group.create_task(_copy(outer[0], streams[1]))
                ended = True
        finally:
            del self._carried[task]
            for writer in (streams[1], outer[1]):
                writer.close() if ended else writer.transport.abort()


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


def _on_loopback(egress: Egress) -> list[_Listen]:
    """Ports of the machine's loopback that are open: they have sockets of their own, since the rest of the loopback
    is the pod's.
    """
    return sorted({(str(r.network.network_address), r.port) for r in egress.rules if _is_loopback(r)})


def _is_loopback(rule: Rule) -> bool:
    return (
        rule.network.prefixlen == 32
        and rule.port > 0
        and rule.network.subnet_of(LOOPBACK)
        and not rule.network.subnet_of(CLUSTER)
    )


def _routes(egress: Egress, *, steered: bool) -> list[str]:
    """Networks that are answered inside the pod's. A refusal by the kernel is a clearer one than the relay's, so
    there are none where nothing can be reached.
    """
    if steered:
        return [] if egress.sealed else [str(EVERYWHERE)]
    return list(
        dict.fromkeys(str(rule.network) for rule in egress.rules if not rule.network.subnet_of(LOOPBACK))
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

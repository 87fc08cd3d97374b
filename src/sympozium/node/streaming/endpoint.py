"""From a request of the node's server to exec, attach or port-forward."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sympozium.node.execution import Inside
from sympozium.node.server import RequestError
from sympozium.node.streaming import attach, channels, portforward, remote
from sympozium.node.streaming.attach import Attached
from sympozium.node.streaming.channels import Channels, SpdyChannels, WebSocketChannels
from sympozium.node.streaming.duplex import Connection
from sympozium.node.streaming.portforward import Destination, Forwarder, SocketForwarder
from sympozium.node.streaming.session import Session
from sympozium.node.streaming.upgrade import Chosen, Head, choose
from sympozium.node.streaming.websocket import Tunnel, WebSocket

PATHS = ("exec", "attach", "portForward")


class Pods(Protocol):
    """What the endpoint needs of the node. Each raises RequestError when the pod or container is not there."""

    def inside(self, namespace: str, pod: str, container: str, uid: str) -> Inside: ...
    def attached(self, namespace: str, pod: str, container: str, uid: str) -> Attached: ...
    def destination(self, namespace: str, pod: str, uid: str) -> Destination: ...


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An accepted request: send `answer`, then `run` with the connection until it is over."""

    answer: bytes
    run: Callable[[Connection], Awaitable[None]]


def accept(head: Head, pods: Pods) -> Upgrade:
    """Raises RequestError."""
    match head.path:
        case ("exec", namespace, pod, *uid, container) if len(uid) < 2:
            options = remote.options_of(head.query)
            if not options.command or not options.command[0]:
                raise RequestError(
                    400, 'you must specify a command: the parameter "command" is missing or empty'
                )
            inside = pods.inside(namespace, pod, container, "".join(uid))
            chosen = choose(head, websocket=channels.WEBSOCKET, spdy=channels.SPDY)
            return Upgrade(chosen.answer, lambda c: remote.execute(_channels(c, chosen), inside, options))
        case ("attach", namespace, pod, *uid, container) if len(uid) < 2:
            options = remote.options_of(head.query)
            attached = pods.attached(namespace, pod, container, "".join(uid))
            chosen = choose(head, websocket=channels.WEBSOCKET, spdy=channels.SPDY)
            return Upgrade(chosen.answer, lambda c: attach.attach(_channels(c, chosen), attached, options))
        case ("portForward", namespace, pod, *uid) if len(uid) < 2:
            return _port_forward(head, pods.destination(namespace, pod, "".join(uid)))
    raise RequestError(
        404, "paths: /exec|attach/NAMESPACE/POD[/UID]/CONTAINER, /portForward/NAMESPACE/POD[/UID]"
    )


def _channels(connection: Connection, chosen: Chosen) -> Channels:
    if chosen.websocket:
        return WebSocketChannels(WebSocket(connection), chosen.protocol)
    return SpdyChannels(Session(connection), chosen.protocol)


def _port_forward(head: Head, destination: Destination) -> Upgrade:
    served: Sequence[str] = (portforward.TUNNEL, *portforward.WEBSOCKET)
    chosen = choose(head, websocket=served, spdy=portforward.SPDY)
    if not chosen.websocket:
        return Upgrade(chosen.answer, lambda c: Forwarder(Session(c), destination).run())
    if chosen.protocol == portforward.TUNNEL:
        return Upgrade(chosen.answer, lambda c: Forwarder(Session(Tunnel(WebSocket(c))), destination).run())
    ports = portforward.ports_of(head.query)

    def run(connection: Connection) -> Awaitable[None]:
        return SocketForwarder(WebSocket(connection), chosen.protocol, destination, ports).run()

    return Upgrade(chosen.answer, run)


async def serve(head: Head, pods: Pods, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The whole of one request. Raises RequestError before anything was answered."""
    upgrade = accept(head, pods)
    writer.write(upgrade.answer)
    await upgrade.run(Connection(reader, writer))

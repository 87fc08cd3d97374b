"""A network of its own for a pod, in which only the allowed destinations exist.

Under root the node makes a network namespace in a short-lived thread: its loopback comes up, addresses of
allowed destinations are made local to it ("AnyIP": a route of type local), and listening sockets are
opened there. A socket belongs for life to the namespace in which it was opened, so the node accepts on
them from outside and relays to the real destination. There is no process for it, nothing to clean up, and
no other way out: no interface but `lo`. The namespace lives as long as the descriptor or a process in it.
"""

import fcntl
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from sympozium.node import mounts

_T = TypeVar("_T")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_RTM_NEWROUTE, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE, _NLM_F_REPLACE = 24, 1, 4, 0x400, 0x100
_NLMSG_ERROR = 2
_RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL = 255, 4, 254, 2
_RTA_DST, _RTA_OIF = 1, 4

Network = ipaddress.IPv4Network


def _in_thread(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread of its own: what it does to its namespaces ends with it. Raises what it raises."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(work())
        except BaseException as exc:  # noqa: BLE001  # raised again in the caller's thread
            failure.append(exc)

    thread = threading.Thread(target=body, name="netns")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def create() -> int:
    """A descriptor of a new network namespace whose loopback is up. Raises OSError without the right to."""

    def work() -> int:
        mounts.unshare_network()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sH14s", b"lo", 0, b"")
            flags = struct.unpack("16sH14s", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(work)


def open_inside(
    descriptor: int, local: Iterable[Network], listen: Iterable[tuple[str, int]]
) -> list[socket.socket]:
    """Make `local` networks answer inside the namespace and open a listening socket at each of `listen`.

    Address "" listens on all of them: the destination that was asked for is then the accepted socket's own
    name. Raises OSError.
    """

    def work() -> list[socket.socket]:
        mounts.enter_network(descriptor)
        for network in local:
            _add_local_route(network)
        return [_listen(address, port) for address, port in listen]

    return _in_thread(work)


def socket_inside(descriptor: int) -> socket.socket:
    """An unconnected TCP socket of the namespace: for probes of a pod by its node."""

    def work() -> socket.socket:
        mounts.enter_network(descriptor)
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    return _in_thread(work)


def _listen(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        opened.listen(128)
    except OSError:
        opened.close()
        raise
    return opened


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def _add_local_route(network: Network) -> None:
    """`ip route replace local NETWORK dev lo`, by rtnetlink(7)."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, network.prefixlen, 0, 0, _RT_TABLE_LOCAL, _RTPROT_STATIC,
                       _RT_SCOPE_HOST, _RTN_LOCAL, 0)  # fmt: skip
    body += _attribute(_RTA_DST, network.network_address.packed)
    body += _attribute(_RTA_OIF, struct.pack("=I", socket.if_nametoindex("lo")))
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_REPLACE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(struct.pack("=IHHII", 16 + len(body), _RTM_NEWROUTE, flags, 1, 0) + body)
        answer = link.recv(4096)
    _, kind = struct.unpack_from("=IH", answer)
    code = struct.unpack_from("=i", answer, 16)[0]
    if kind == _NLMSG_ERROR and code:
        raise OSError(-code, f"route to {network} in the pod's network: {os.strerror(-code)}")

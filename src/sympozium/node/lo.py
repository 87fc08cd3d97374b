"""Inside a new network namespace: bring loopback up, make networks answer there, listen.

Runs in the namespace itself: in a thread of the node under root, in a short-lived child otherwise. Imports
the standard library alone, since that child starts without the installed packages.
"""

import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_RTM_NEWROUTE, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE, _NLM_F_REPLACE = 24, 1, 4, 0x400, 0x100
_NLMSG_ERROR = 2
_RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL = 255, 4, 254, 2
_RTA_DST, _RTA_OIF = 1, 4

Listen = tuple[str, int]
"""Address and port. Address "" is all of them: the accepted socket's own name tells which was asked for."""


def prepare(local: Iterable[str], listen: Iterable[Listen]) -> list[socket.socket]:
    """Make the calling thread's network namespace ready. `local` are IPv4 networks. Raises OSError."""
    _up()
    for network in local:
        _add_local_route(ipaddress.IPv4Network(network))
    opened: list[socket.socket] = []
    try:
        for address, port in listen:
            opened.append(_listen(address, port))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def _up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))


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


def _add_local_route(network: ipaddress.IPv4Network) -> None:
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


def child(channel: int, what: str, *, local: list[str], listen: list[Listen]) -> None:
    """The body of the child: sends an error, or the descriptors that it has made, over the socket `channel`.

    To `make`, those of the namespaces (network, user) and of the listening sockets; to `extend` an existing
    network, of the listening sockets; for a `socket`, of one unconnected socket.
    """
    with socket.socket(fileno=channel) as link:
        try:
            descriptors = []
            if what == "make":
                descriptors = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "user")]
            if what == "socket":
                made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)]
            else:
                made = prepare(local, listen)
        except OSError as exc:
            link.send(str(exc).encode())
            return
        socket.send_fds(link, [b"\0"], [*descriptors, *(one.fileno() for one in made)])

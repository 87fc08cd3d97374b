"""What an address is to who connects for a pod (a node, the egress component): the world, a neighbour's network, this machine, or a service of a cloud.

"Everything" in a policy means the world. What a machine keeps for itself relies on nobody else reaching it, so it
must be named by a rule of its own: loopback, link-local (metadata services of clouds), and each address of this machine.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

LOOPBACK = IPv4Network("127.0.0.0/8")
NEVER_BY_DEFAULT = (
    LOOPBACK,
    IPv4Network("169.254.0.0/16"),
    IPv4Network("0.0.0.0/8"),
    IPv4Network("224.0.0.0/3"),
)


class RefusedError(ConnectionError):
    """Nothing is there, or a policy says no; the text is for the node's log."""


def of_this_machine(address: str) -> bool:
    """Whether one of this machine's interfaces has the address: only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def objection(address: str, *, private: bool) -> str | None:
    """Why a name that leads to `address` is refused, unless a rule allows that address; None when it is not.

    `private` for names that the installation or the author of an agent chose (its model, the bus), which may be
    next door. No name leads to loopback or to a metadata service.
    """
    ip = IPv4Address(address)
    if ip in LOOPBACK:
        return "the machine's own loopback"
    if any(ip in network for network in NEVER_BY_DEFAULT):
        return "a link-local or reserved address, as metadata services have"
    if private:
        return None
    if not ip.is_global:
        return "a private address"
    return "this machine itself" if of_this_machine(address) else None


async def of_any(host: str, port: int) -> list[str]:
    """The IPv4 addresses of a name, whatever they are; at least one. Raises RefusedError or OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except UnicodeError as exc:  # of the codec: a label that is empty or too long
        raise RefusedError(f"{host[:80]!r} is no host name: {exc}") from exc
    return list(dict.fromkeys(str(info[4][0]) for info in found))


async def resolve(host: str, port: int, allowed: Callable[[str], bool], *, private: bool) -> list[str]:
    """The IPv4 addresses of a name, each fit to be connected to. Raises RefusedError or OSError.

    All must be, not the chosen one: a name that also leads inside is an attempt or a mistake. The connection goes to
    what was checked, so a second answer of the name server changes nothing.
    """
    addresses = await of_any(host, port)
    for address in addresses:
        if not allowed(address) and (why := objection(address, private=private)):
            raise RefusedError(
                f"{host} is {address}, {why}: a policy must allow it by address (allowedEgress host {address})"
            )
    return addresses


def is_address(name: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by an address of loopback, or by the name that means it everywhere."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)

"""Loopback ports: picked once, remembered, so that addresses written into objects stay true."""

import errno
import json
import logging
import os
import secrets
import socket
from collections.abc import Collection
from pathlib import Path

from sympozium.privatefile import write_private

log = logging.getLogger(__name__)

# Below Linux's default ip_local_port_range (32768 to 60999), above what services register.
_FIRST, _LAST = 20000, 32768
# Descriptors of sockets, which go with the process and need nobody to close them.
_claims: dict[int, tuple[int, int]] = {}


def claim(port: int) -> bool:
    """Keep 127.0.0.1:`port` for the servers that this process starts, until it ends or calls `release`. False when somebody
    listens there or has claimed it. Raises OSError when it may not be used at all.

    Between a look at a port and the moment in which a child listens on it, seconds pass, and a second control plane on the
    machine may look just then. An abstract socket of that name is ours alone and goes with the process, however it ends. The
    bound socket that never listens keeps the kernel from giving the port to an outgoing connection; it does not hinder a
    server that sets SO_REUSEADDR, as ours and Go's do.
    """
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        name.bind(f"\0sympozium-port-{port}")
        bound.bind(("127.0.0.1", port))
    except OSError as error:
        name.close()
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    _claims[port] = name.detach(), bound.detach()
    return True


def release(port: int) -> None:
    """Give up a claim; without one, nothing."""
    for held in _claims.pop(port, ()):
        os.close(held)


def pick(beside: Collection[int] = ()) -> int:
    """A free port outside `beside`, claimed now; below those that the kernel gives to outgoing connections."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in beside and claim(port):
            return port


def assign(path: Path, names: list[str]) -> dict[str, int]:
    """A claimed port for each name: the one remembered in `path` where it is still free, else a new one.

    A file that is damaged remembers nothing, so all are new.
    """
    known = _remembered(path)
    kept = {name for name in names if name in known and claim(known[name])}
    ports = {name: known[name] if name in kept else pick(known.values()) for name in names}
    write_private(path, json.dumps({**known, **ports}, indent=1) + "\n")
    return ports


def _remembered(path: Path) -> dict[str, int]:
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        log.warning("%s is damaged, ports are picked anew: %s", path, exc)
        return {}
    ports = known.items() if isinstance(known, dict) else ()
    return {name: port for name, port in ports if type(port) is int and _FIRST <= port < _LAST}

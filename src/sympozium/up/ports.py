"""Loopback ports: picked once, remembered, so that addresses written into objects stay true."""

import json
import logging
import secrets
import socket
from pathlib import Path

from sympozium.privatefile import write_private

log = logging.getLogger(__name__)

# Below Linux's default ip_local_port_range (32768 to 60999), above what services register.
_FIRST, _LAST = 20000, 32768


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As the servers do: a port in TIME_WAIT is free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def pick(taken: set[int]) -> int:
    """A free port outside `taken`, and below those that the kernel gives to outgoing connections: one of
    these could otherwise sit on a server's port while that server restarts.
    """
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in taken and is_free(port):
            return port


def assign(path: Path, names: list[str]) -> dict[str, int]:
    """A port for each name: the one remembered in `path` where it is still free, else a new one.

    A file that is damaged remembers nothing, so all are new.
    """
    known = _remembered(path)
    ports: dict[str, int] = {}
    for name in names:
        port = known.get(name, 0)
        if not port or port in ports.values() or not is_free(port):
            port = pick(set(ports.values()) | set(known.values()))
        ports[name] = port
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
    return {k: v for k, v in known.items() if type(v) is int} if isinstance(known, dict) else {}

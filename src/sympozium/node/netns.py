"""A network of its own for a pod, in which only the allowed destinations exist.

Loopback comes up in it, addresses of allowed destinations are made local to it ("AnyIP": a route of type
local), and listening sockets are opened there. A socket belongs for life to the namespace in which it was
opened, so the node accepts on them from outside and relays to the real destination (`relay`). There is no
other way out: no interface but `lo`. A namespace lives as long as a descriptor of it, or a process in it: no
process has to hold it and nothing is left behind.

Root makes namespaces in a short-lived thread. Anybody else needs a user namespace around the network one, which
only a process with a single thread may enter: a short-lived child makes both and passes the descriptors
back, and what is to run inside enters by nsenter(1).
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sympozium.node import lo, mounts, steer
from sympozium.node.lo import Listen

_T = TypeVar("_T")
_DESCRIPTORS = 1000
_TIMEOUT = 20.0
_PACKAGES = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Network:
    """Descriptors of a network namespace and, unless root made it, of the user namespace around it."""

    net: int
    user: int | None

    def prefix(self) -> list[str]:
        """Words before a command that make it run inside; none for root, who steps in by himself."""
        if self.user is None:
            return []
        return ["nsenter", f"--user=/proc/self/fd/{self.user}", f"--net=/proc/self/fd/{self.net}",
                "--preserve-credentials", "--"]  # fmt: skip

    def descriptors(self) -> list[int]:
        return [self.net] if self.user is None else [self.net, self.user]

    def close(self) -> None:
        for descriptor in self.descriptors():
            os.close(descriptor)


def create(local: Iterable[str] = (), listen: Iterable[Listen] = ()) -> tuple[Network, list[socket.socket]]:
    """A new network, in which the networks `local` answer, and a socket for each of `listen`.

    Blocks for 1 ms (root) or 50 ms. Raises OSError where this machine or user may not.
    """
    if os.geteuid() == 0:
        return _in_thread(lambda: _create_here(local, listen))
    received = _child(
        ["unshare", "--user", "--map-root-user", "--net", "--"], (), "make", local=local, listen=listen
    )
    return Network(received[0], received[1]), [
        socket.socket(fileno=descriptor) for descriptor in received[2:]
    ]


def steered(
    local: Iterable[str], listen: Iterable[Listen], rules: Sequence[steer.Rule]
) -> tuple[Network, list[socket.socket], steer.Steering]:
    """As `create`, and one more socket, the last, that gets what `rules` take. For root. Raises OSError."""
    network, sockets = create(local, [*listen, ("127.0.0.1", 0)])
    try:
        return network, sockets, steer.steer(rules, sockets[-1], network.net)
    except OSError:
        network.close()
        for opened in sockets:
            opened.close()
        raise


def extend(network: Network, local: Iterable[str], listen: Iterable[Listen]) -> list[socket.socket]:
    """As `create`, in a network that is there. Raises OSError."""
    if network.user is None:

        def work() -> list[socket.socket]:
            mounts.enter_network(network.net)
            return lo.prepare(local, listen)

        return _in_thread(work)
    found = _child(network.prefix(), network.descriptors(), "extend", local=local, listen=listen)
    return [socket.socket(fileno=descriptor) for descriptor in found]


def socket_inside(network: Network) -> socket.socket:
    """An unconnected, non-blocking TCP socket of the network: for probes of a pod by its node. Raises OSError."""
    if network.user is None:

        def work() -> socket.socket:
            mounts.enter_network(network.net)
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

        return _in_thread(work)
    (descriptor,) = _child(network.prefix(), network.descriptors(), "socket")
    return socket.socket(fileno=descriptor)


def _create_here(local: Iterable[str], listen: Iterable[Listen]) -> tuple[Network, list[socket.socket]]:
    mounts.unshare_network()
    sockets = lo.prepare(local, listen)
    return Network(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), None), sockets


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


def _child(
    prefix: list[str],
    inherited: Iterable[int],
    what: str,
    *,
    local: Iterable[str] = (),
    listen: Iterable[Listen] = (),
) -> list[int]:
    """Run `lo.child` behind `prefix`; the descriptors that it sends. Raises OSError."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        call: dict[str, Any] = {"local": list(local), "listen": list(listen)}
        program = (
            f"import sys; sys.path.insert(0, {_PACKAGES!r}); from sympozium.node import lo; "
            f"lo.child({theirs.fileno()}, {what!r}, **{call!r})"
        )
        done = subprocess.run(
            [*prefix, sys.executable, "-I", "-S", "-c", program], pass_fds=[theirs.fileno(), *inherited],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_TIMEOUT,
        )  # fmt: skip
        theirs.close()
        message, descriptors, _, _ = socket.recv_fds(ours, 4096, _DESCRIPTORS)
    if message != b"\0":
        raise OSError(message.decode() or done.stderr.strip() or f"{prefix[0]} ended with {done.returncode}")
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return descriptors

"""Closes the network of this process and of all that it starts: of sockets, they can have unix sockets alone.

On a cluster the containers of a pod share its network, so it is the right to make a socket that is taken away, by a
filter of system calls that nobody can take off again. It is set on the server itself, and its commands inherit it: a
filter on commands alone would leave them a process of the same user to do it for them, by ptrace or /proc/PID/mem.

Where the container has a network namespace of its own that leads nowhere (a node of ours), commands keep IP sockets
to talk with each other; what a namespace does not hold (AF_VSOCK leads to the hypervisor) is closed there too. Why it
is done like this: docs/decisions/0016-the-shells-network.md.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import threading

from sympozium import bpf

UNIX = (socket.AF_UNIX,)
OF_ITS_OWN = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""getifaddrs(3) asks by AF_NETLINK."""
_CALLS = {"x86_64": (317, 41, 53), "aarch64": (277, 198, 199), "arm64": (277, 198, 199)}
"""Numbers of seccomp, socket and socketpair."""
_IO_URING_SETUP = 425
_NO_FAMILY = 255
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _ALL_THREADS, _NO_MITIGATION = 1, 1, 4
_SO_NETNS_COOKIE = 71


class NotClosedError(Exception):
    """Why commands would have a network, so that none may run."""


class Closing:
    """Closes the network, once, when it is called: before the first command, by whoever sent that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self, caller: socket.socket) -> None:
        """Raises NotClosedError. From any thread; all threads are bound."""
        with self._lock:
            if self._closed:
                return
            families = OF_ITS_OWN if is_own(caller) else UNIX
            close(families)
            self._closed = True
            names = ", ".join(f'"{family.name}"' for family in families)
            sys.stderr.write(f'{{"msg":"commands can have no other sockets","families":[{names}]}}\n')


def is_own(caller: socket.socket) -> bool:
    """Whether this network namespace is not that of the pod, where `caller` comes from, and has no route.

    A connection belongs to the namespace of who made it. Before the first command that can only be the tool server;
    what a command had connected from a namespace of its making would say nothing.
    """
    with socket.socket(socket.AF_UNIX) as ours:
        try:
            cookies = [end.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8) for end in (ours, caller)]
        except OSError:  # before Linux 5.14, and in gVisor: not known to be our own
            return False
    return cookies[0] != cookies[1] and not _routes()


def _routes(at: str = "/proc/net") -> list[str]:
    """Those that leave by another device than loopback."""
    found = []
    for name, device in (("route", 0), ("ipv6_route", -1)):
        try:
            with open(f"{at}/{name}") as file:  # noqa: PTH123 - pathlib is start time
                lines = [line for line in file if not line.startswith("Iface")]
        except FileNotFoundError:  # no IPv6
            continue
        found += [line for line in lines if line.split()[device] != "lo"]
    return found


def close(families: tuple[int, ...]) -> None:
    """Of sockets, leave this process and its children those of `families`, for good. Raises NotClosedError."""
    machine = os.uname().machine
    code = program(families, machine)
    if code is None or struct.calcsize("P") != 8:
        raise NotClosedError(f"there is no filter for {struct.calcsize('P') * 8}-bit programs on {machine}")
    _install(code, _CALLS[machine][0])
    # Seen to hold, since an emulator of the kernel may take a filter and not heed it.
    try:
        socket.socket(_NO_FAMILY).close()
        problem = "a socket was made"
    except OSError as error:
        if error.errno == errno.EACCES:
            return
        problem = f"a socket was refused otherwise: {error.strerror}"
    raise NotClosedError(f"the filter was taken and does not hold: {problem}")


def program(families: tuple[int, ...], machine: str) -> bytes | None:
    """The filter for a machine as `uname -m` says it; None for an unknown one.

    EACCES for other sockets. Rings are ENOSYS: they open sockets without a system call, and programs know how to do
    without them.
    """
    if machine not in _CALLS:
        return None
    _, make, pair = _CALLS[machine]
    code = [
        *bpf.number_of(machine),
        (bpf.JEQ, 0, 1, _IO_URING_SETUP),
        (bpf.RET, 0, 0, bpf.ERRNO | errno.ENOSYS),
        (bpf.JEQ, 2, 0, make),
        (bpf.JEQ, 1, 0, pair),
        (bpf.RET, 0, 0, bpf.ALLOW),
        bpf.argument(0),
    ]
    code += [(bpf.JEQ, len(families) - index, 0, family) for index, family in enumerate(families)]
    code += [(bpf.RET, 0, 0, bpf.ERRNO | errno.EACCES), (bpf.RET, 0, 0, bpf.ALLOW)]
    return bpf.packed(code)


def _install(code: bytes, seccomp: int) -> None:
    """Raises NotClosedError."""
    import ctypes  # not at the start of every shell

    class Program(ctypes.Structure):
        """struct sock_fprog."""

        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = ctypes.byref(Program(len(code) // 8, code))
    value = ctypes.c_ulong
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, value(1), value(0), value(0), value(0)):
        raise NotClosedError(f"prctl NO_NEW_PRIVS: {os.strerror(ctypes.get_errno())}")
    # Without the second flag a kernel before 5.16 slows the process down; gVisor does not know it.
    for flags in (_ALL_THREADS | _NO_MITIGATION, _ALL_THREADS):
        done = libc.syscall(ctypes.c_long(seccomp), value(_SET_MODE_FILTER), value(flags), given)
        if done == 0:
            return
        if done > 0:
            raise NotClosedError(f"seccomp: thread {done} has a filter of its own")
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise NotClosedError(f"seccomp: {os.strerror(ctypes.get_errno())}")

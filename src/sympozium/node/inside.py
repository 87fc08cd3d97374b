"""Runs one program inside the sandbox of a running container. A script of its own; the standard library alone.

    node ── this script (waits, passes on the exit code) ── the program, inside

The program gets what the container's own process has, and nothing more: its user, its namespaces (bwrap nests
two user namespaces, the others belong to the outer one), its system call filter, no capabilities, no new
privileges. nsenter(1) with helpers behind it cannot do that: each helper is executed inside, where the
container could look into it, and none of them sets a filter.

From the first namespace until the program is executed this process is not "dumpable": the container's
processes, which may have the same user, can neither trace it nor open its files (`/proc/<pid>/exe` is the host's
Python). All descriptors are closed before; those of the node never come here.

Called with the descriptor numbers of a memory file (a marshalled dict) and of a stream socket. It waits for
a byte on the socket (the node puts it into the container's control group first), sends back an error text
or, with `tty`, a byte with the terminal's master; end of file means that the program has been executed.
"""

import contextlib
import ctypes
import fcntl
import marshal
import os
import resource
import select
import signal
import stat
import struct
import sys
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_TIOCSCTTY, _TIOCSWINSZ, _TIOCSPTLCK, _TIOCGPTPEER = 0x540E, 0x5414, 0x40045431, 0x5441
_PTMX = os.makedev(5, 2)
_SETUP_FAILED = 125
_HIGHEST = 4096
"""Above every descriptor that this process can have: it starts with a handful."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]  # of ctypes


class InsideError(Exception):
    """Why the program cannot be started, in a runtime's words."""


def _call(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _prctl(option: int, *values: Any) -> None:
    filled = [*values, *([0] * (4 - len(values)))]
    arguments = [v if isinstance(v, ctypes._Pointer) else ctypes.c_ulong(v) for v in filled]  # noqa: SLF001  # the one name of it
    _call(f"prctl {option}", _libc.prctl(option, *arguments))


def _same(descriptor: int, name: str) -> bool:
    """Whether this process is in that namespace already."""
    mine, theirs = os.stat(f"/proc/self/ns/{name}"), os.fstat(descriptor)  # noqa: PTH116  # without pathlib: it starts faster
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def _enter(config: dict[str, Any]) -> None:
    """Become what the container's process is, but for its system call filter."""
    for descriptor in config["network"]:  # the pod's own network: user namespace first, where it has one
        _call("setns of the pod's network", _libc.setns(descriptor, 0))
    if config["credentials"]:
        uid, gid = config["credentials"]
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # cleared by a change of user, so after it
    if os.getppid() != config["parent"]:
        raise InsideError("the node has ended")
    _prctl(_PR_SET_DUMPABLE, 0)
    spaces = config["namespaces"]
    others = [name for name in ("net", "cgroup") if not _same(spaces[name], name)]
    _call("setns user", _libc.setns(config["outer"], 0))
    for name in ("ipc", "uts", *others, "pid", "mnt"):
        _call(f"setns {name}", _libc.setns(spaces[name], 0))
    _call("setns inner user", _libc.setns(spaces["user"], 0))


def _lower() -> None:
    """Give up every capability, for good."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), *([ctypes.c_ulong(0)] * 3)) != 0:
            break  # beyond the last one that this kernel has
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", _libc.capset(header, bytes(24)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _filter(program: bytes) -> None:
    given = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.pointer(given))


def _terminal(size: tuple[int, int] | None) -> tuple[int, int]:
    """Master and slave of a terminal of the container's own devpts, so that it has a name there."""
    try:
        master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise InsideError(f"open /dev/ptmx: {exc.strerror}") from exc
    found = os.fstat(master)  # /dev is the container's to write
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _PTMX:
        raise InsideError("/dev/ptmx of the container is not the terminal multiplexer")
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    if size:
        fcntl.ioctl(master, _TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    return master, slave


def _search(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Execve by the container's PATH. Raises InsideError."""
    name = argv[0]
    places = [name] if "/" in name else [
        f"{directory or '.'}/{name}" for directory in env.get("PATH", os.defpath).split(":")
    ]  # fmt: skip
    denied = False
    for place in places:
        try:
            os.execve(place, argv, env)  # noqa: S606  # that is the point
        except PermissionError:
            denied = True
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            raise InsideError(f'exec: "{name}": {os.strerror(exc.errno or 0).lower()}') from exc
    if denied:
        raise InsideError(f'exec: "{name}": permission denied')
    why = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    verb = f"stat {name}" if "/" in name else f'"{name}"'
    raise InsideError(f"exec: {verb}: {why}")


def _program(config: dict[str, Any], channel: int, alive: int) -> NoReturn:
    """In the child, which is in the container's process namespace. Raises OSError, InsideError."""
    os.setsid()
    _lower()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_DUMPABLE, 0)
    poll = select.poll()
    poll.register(alive, 0)
    if poll.poll(0):
        raise InsideError("the node has ended")  # before it could end this process too
    if config["tty"]:
        master, slave = _terminal(config["size"])
        fcntl.ioctl(slave, _TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(slave, number, inheritable=True)
        _send_descriptor(channel, master)
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.chdir(config["cwd"])
    except OSError as exc:
        raise InsideError(
            f'chdir to cwd ("{config["cwd"]}") failed: {os.strerror(exc.errno or 0).lower()}'
        ) from exc
    os.closerange(3, channel)
    os.closerange(channel + 1, _HIGHEST)
    os.set_inheritable(channel, False)
    if config["processes"] is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (config["processes"],) * 2)
    if config["seccomp"]:
        _filter(config["seccomp"])
    _search(config["argv"], config["env"])


def _send_descriptor(channel: int, descriptor: int) -> None:
    import _socket

    link = _socket.socket(fileno=os.dup(channel))
    rights = struct.pack("i", descriptor)
    link.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    link.close()


def main() -> None:
    memory, channel = int(sys.argv[1]), int(sys.argv[2])
    config = marshal.loads(os.pread(memory, os.fstat(memory).st_size, 0))  # noqa: S302  # written by the node
    import _socket  # noqa: F401  # now: behind the mount namespace there are only the container's files

    if not os.read(channel, 1):
        os._exit(_SETUP_FAILED)
    try:
        _enter(config)
        watch, hold = os.pipe()
        child = os.fork()
    except (OSError, InsideError) as exc:
        _fail(channel, exc)
    if child == 0:
        os.close(hold)
        try:
            _program(config, channel, watch)
        except (OSError, InsideError) as exc:
            _fail(channel, exc)
        except BaseException:  # noqa: BLE001  # nothing may run on here as a copy of the parent
            os._exit(_SETUP_FAILED)
    os.closerange(3, hold)
    os.closerange(hold + 1, _HIGHEST)
    for number in range(3):
        os.close(number)
    while True:
        try:
            _, status = os.waitpid(child, 0)
            break
        except InterruptedError:
            continue
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _fail(channel: int, why: Exception) -> NoReturn:
    text = str(why) if isinstance(why, InsideError) else f"{getattr(why, 'strerror', '') or why}"
    with contextlib.suppress(OSError):
        os.write(channel, text.encode(errors="replace")[:4096] or b"unknown error")
    os._exit(_SETUP_FAILED)


if __name__ == "__main__":
    main()

"""A mount namespace of the node's own, where every user may reach what a pod is given.

Under root each pod runs as an unprivileged user of its own, and bwrap runs as that user from its first
instruction. Such a user cannot pass a directory like /root (0700), below which the checkout, its Python or
the data directory may lie. So root binds such paths to a place that everybody can pass, in a mount
namespace that only the node and its children see: no mount is left behind whatever kills the node.

(bwrap's `--ro-bind-fd` does not help: it resolves the descriptor back to the path that is closed to it.)
"""

import ctypes
import os
import stat
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_MS_NOSUID, _MS_NODEV = 2, 4
_MNT_DETACH = 2
_STAGE = Path("/run/sympozium-node")

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare_network() -> None:
    """Give the calling thread an own, empty network namespace. Raises OSError."""
    _check(_libc.unshare(_CLONE_NEWNET), "unshare of the network namespace")


def enter_network(descriptor: int) -> None:
    """Move the calling thread into the network namespace behind `descriptor`. Raises OSError."""
    _check(_libc.setns(descriptor, _CLONE_NEWNET), "setns of the network namespace")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [None if s is None else s.encode() for s in (source, target, kind)]
    _check(
        _libc.mount(*arguments, flags, None if data is None else data.encode()),
        f"mount of {source} on {target}",
    )


class Stage:
    """Host paths, as a user without rights of its own may reach them. Construct before any thread exists."""

    def __init__(self) -> None:
        """Raises OSError where the node may not make a mount namespace (a container without CAP_SYS_ADMIN)."""
        _STAGE.mkdir(mode=0o755, parents=True, exist_ok=True)
        _check(_libc.unshare(_CLONE_NEWNS), "unshare of the mount namespace")
        # Slave: what the host mounts later still shows up here, what we mount does not show up there.
        _mount("none", "/", None, _MS_REC | _MS_SLAVE)
        _mount("tmpfs", str(_STAGE), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=1m")
        self._staged: dict[str, tuple[Path, tuple[int, int]]] = {}

    def __call__(self, path: str) -> str:
        """`path`, or where else it can be reached. Raises OSError when it does not exist."""
        real = os.path.realpath(path)
        for parent, (place, _) in self._staged.items():
            if real.startswith(parent + "/"):
                return str(place) + real[len(parent) :]
        return real if _open_to_all(Path(real)) else self.bind(real)

    def bind(self, path: str) -> str:
        """Bind `path` itself to the stage, once; again when something else has come to stand at that path."""
        real = os.path.realpath(path)
        status = Path(real).stat()
        identity = (status.st_dev, status.st_ino)
        known = self._staged.get(real)
        if known and known[1] == identity:
            return str(known[0])
        place = known[0] if known else _STAGE / str(len(self._staged))
        if known:
            _check(_libc.umount2(str(place).encode(), _MNT_DETACH), f"umount of {place}")
        elif stat.S_ISDIR(status.st_mode):
            place.mkdir(exist_ok=True)
        else:
            place.touch()
        _mount(real, str(place), None, _MS_BIND | _MS_REC)
        self._staged[real] = (place, identity)
        return str(place)


def mount_memory(path: Path, size: int | None) -> None:
    """A memory file system at `path`, seen by the node and its children alone. Raises OSError."""
    options = f"mode=0777,size={size}" if size else "mode=0777"
    _mount("tmpfs", str(path), "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def unmount(path: Path) -> None:
    """Detach what is mounted at `path`. Raises OSError."""
    _check(_libc.umount2(str(path).encode(), _MNT_DETACH), f"umount of {path}")


def _open_to_all(path: Path) -> bool:
    """Whether everybody may pass every directory above `path`."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def as_is(path: str) -> str:
    """The stage of a node that is not root: its pods run as its own user."""
    return os.path.realpath(path)

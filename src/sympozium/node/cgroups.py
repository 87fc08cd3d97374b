"""Resource limits by control groups: version 2 where its controllers are, version 1 otherwise.

    <base>/sympozium-<node>/pod<uid>/<container>

The top one holds all pods together below what the node offers (`bound`): a container without limits of its
own can then use up what pods have, never what the machine needs to stay alive. A pod whose containers all have
a memory limit is held to the sum of them, so that what one left behind in memory (a tmpfs) stays counted.
Under version 1 each controller (memory, cpu, pids) has a tree and thus a base of its own. Files and
semantics: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/. Nothing here waits for
anything but `Group.destroy`: the files answer at once.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)

CONTROLLERS = ("memory", "cpu", "pids")
PERIOD = 100_000  # microseconds, as the kubelet's default
_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one container; None is no limit. Memory in bytes, CPU in cores, requests of CPU as weight."""

    memory: int | None = None
    cpu: float | None = None
    cpu_request: float | None = None
    pids: int | None = None
    oom_score: int = 0
    """Who goes first when the machine or the node is out of memory: -1000 to 1000 (proc_pid_oom_score_adj(5))."""


def mounts(mountinfo: str) -> tuple[Path | None, dict[str, Path]]:
    """The mount points in a `/proc/self/mountinfo`: of version 2, and of each version 1 controller."""
    unified, controllers = None, {}
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        point = Path(fields.split(" ")[4])
        if kind == "cgroup2":
            unified = point
        elif kind == "cgroup":
            controllers.update(
                dict.fromkeys(set(options.split(" ")[-1].split(",")) & set(CONTROLLERS), point)
            )
    return unified, controllers


def own(proc_cgroup: str) -> dict[str, str]:
    """The paths in a `/proc/self/cgroup`, by controller; version 2 is the key ""."""
    result = {}
    for line in proc_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            result[controller] = path
    return result


class Cgroups:
    """The trees that this node may use. `bases` maps a controller to the directory that holds our groups."""

    def __init__(self, version: int, bases: Mapping[str, Path], reason: str = "") -> None:
        self.version = version
        self.bases = dict(bases)
        self.reason = reason
        """Why a controller is missing, for people."""

    @property
    def controllers(self) -> list[str]:
        return [name for name in CONTROLLERS if name in self.bases]

    def describe(self) -> str:
        if not self.bases:
            return f"none ({self.reason})"
        return f"v{self.version} ({', '.join(self.controllers)})"

    def _places(self) -> Iterator[Path]:
        yield from dict.fromkeys(self.bases.values())

    def bound(self, memory: int, pids: int) -> None:
        """Hold all pods of this node together to so many bytes and processes. Raises OSError."""
        for name, base in self.bases.items():
            if self.version == 1 or name == "memory":  # one directory for all controllers under version 2
                for controller in CONTROLLERS if self.version == 2 else (name,):
                    _apply(base, self.version, controller, Limits(memory=memory, pids=pids), whole=False)

    def bound_pod(self, pod: str, memory: int) -> None:
        """Hold the containers of a pod together to so many bytes. Raises OSError."""
        if base := self.bases.get("memory"):
            path = base / f"pod{pod}"
            path.mkdir(parents=True, exist_ok=True)
            _apply(path, self.version, "memory", Limits(memory=memory), whole=False)

    def create(self, pod: str, container: str, limits: Limits) -> "Group":
        """A fresh group with its limits set. Raises OSError when the kernel refuses one."""
        paths = {name: base / f"pod{pod}" / container for name, base in self.bases.items()}
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.version == 2:
                _enable(path.parent, self.controllers)
            _remove(path)
            path.mkdir(exist_ok=True)
            _apply(path, self.version, name, limits)
        return Group(self.version, paths, limits.oom_score)

    def remove_pod(self, pod: str) -> None:
        for base in self._places():
            _kill_and_remove(base / f"pod{pod}")

    def clean(self) -> list[str]:
        """End and remove whatever a predecessor left; returns the uids of the pods that it found."""
        found = []
        for base in self._places():
            for path in base.glob("pod*") if base.is_dir() else ():
                found.append(path.name.removeprefix("pod"))
                _kill_and_remove(path)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Remove all of it. Nothing runs below the node when it ends: its containers die with it."""
        self.clean()
        for base in self._places():
            with contextlib.suppress(OSError):  # another node of the same name is there already
                base.rmdir()


def _apply(path: Path, version: int, controller: str, limits: Limits, *, whole: bool = True) -> None:
    """Write the limits of one controller. Not `whole`: the kernel may end a single process of those below."""
    settings = list(_settings(version, controller, limits))
    if controller == "memory" and version == 1:
        # Memory with swap may never be below memory alone: the order depends on which way both move.
        current = path / "memory.limit_in_bytes"
        if limits.memory is not None and current.exists() and int(current.read_text()) < limits.memory:
            settings.reverse()
    for file, value in settings:
        target = path / file
        if target.exists() and (whole or file not in {"memory.oom.group", "cpu.weight", "cpu.shares"}):
            target.write_text(value)


def _settings(version: int, controller: str, limits: Limits) -> Iterator[tuple[str, str]]:
    """File and value of each limit; a file that the kernel lacks (swap accounting off) is left out by `create`."""
    if controller == "memory" and limits.memory is not None:
        if version == 2:
            yield from (
                ("memory.max", str(limits.memory)),
                ("memory.swap.max", "0"),
                ("memory.oom.group", "1"),
            )
        else:
            yield "memory.limit_in_bytes", str(limits.memory)
            yield "memory.memsw.limit_in_bytes", str(limits.memory)
    if controller == "cpu":
        if limits.cpu is not None:
            quota = max(1000, int(limits.cpu * PERIOD))
            if version == 2:
                yield "cpu.max", f"{quota} {PERIOD}"
            else:
                yield "cpu.cfs_period_us", str(PERIOD)
                yield "cpu.cfs_quota_us", str(quota)
        shares = max(2, int((limits.cpu_request or 0) * 1024))
        yield (
            ("cpu.weight", str(1 + (shares - 2) * 9999 // 262142))
            if version == 2
            else ("cpu.shares", str(shares))
        )
    if controller == "pids" and limits.pids is not None:
        yield "pids.max", str(limits.pids)


class Group:
    """The control group of one attempt of a container."""

    def __init__(self, version: int, paths: Mapping[str, Path], oom_score: int = 0) -> None:
        self._version = version
        self._paths = paths
        self._oom_score = oom_score

    def _directories(self) -> list[Path]:
        return list(dict.fromkeys(self._paths.values()))

    def add(self, pid: int) -> None:
        for path in self._directories():
            (path / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(PermissionError, FileNotFoundError):  # an unprivileged node may not lower it
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(self._oom_score))

    def oom_kills(self) -> int:
        """How many processes the kernel has killed here for lack of memory."""
        if "memory" not in self._paths:
            return 0
        file = "memory.events" if self._version == 2 else "memory.oom_control"
        try:
            text = (self._paths["memory"] / file).read_text()
        except FileNotFoundError:
            return 0
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)

    async def destroy(self) -> None:
        """Remove the group, waiting up to two seconds for its last process to be reaped."""
        for path in self._directories():
            for _ in range(40):
                if _remove(path):
                    break
                await asyncio.sleep(0.05)
            else:
                _log.warning(
                    "cgroup %s is still in use: it is removed with its pod or at the next start", path
                )


def _remove(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError as exc:
        if exc.errno in {errno.EBUSY, errno.ENOTEMPTY}:
            return False
        raise
    return True


def _kill_and_remove(path: Path) -> None:
    if not path.is_dir():
        return
    for child in path.iterdir():
        if child.is_dir():
            _kill_and_remove(child)
    for pid in (path / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    if not _remove(path):
        _log.info("cgroup %s still has processes that are ending", path)


def _enable(path: Path, controllers: list[str]) -> None:
    """Version 2: pass controllers on to the children of `path` and of our own directories above it."""
    for directory in (path.parent, path):
        (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def discover(name: str, *, root: bool) -> Cgroups:
    """What this process may use, tried by making a group. `name` tells nodes of one machine apart."""
    unified, controllers = mounts(Path("/proc/self/mountinfo").read_text())
    paths = own(Path("/proc/self/cgroup").read_text())
    reasons = []
    if unified is not None and not controllers:
        try:
            return Cgroups(2, _unified(unified, paths.get("", "/"), name, root=root))
        except OSError as exc:
            reasons.append(f"cgroup v2 is not delegated to this user: {exc}")
    bases = {}
    for controller, point in controllers.items():
        base = point / paths.get(controller, "/").strip("/") / name
        try:
            base.mkdir(parents=True, exist_ok=True)
            bases[controller] = base
        except OSError as exc:
            reasons.append(f"cgroup v1 {controller}: {exc}")
    if not bases and not reasons:
        reasons.append(f"no cgroups are mounted below {_ROOT}")
    return Cgroups(1 if bases else 0, bases, "; ".join(reasons))


def _unified(point: Path, path: str, name: str, *, root: bool) -> dict[str, Path]:
    """A base below the root of the tree (root), or below our own delegated group (anybody else)."""
    parent = point if root else point / path.strip("/")
    available = set((parent / "cgroup.controllers").read_text().split()) & set(CONTROLLERS)
    if not available:
        raise OSError(errno.ENOENT, f"{parent} has none of the controllers {', '.join(CONTROLLERS)}")
    if not root:
        # Processes may only be in leaves, once controllers are passed on.
        leaf = parent / "sympozium-node"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
    (parent / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in sorted(available)))
    base = parent / name
    base.mkdir(exist_ok=True)
    return dict.fromkeys(sorted(available), base)

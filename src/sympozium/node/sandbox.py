"""The bubblewrap arguments of one container: a value in, a list of strings out.

The recipe, and why each part is there:

- A user namespace even under root, no capabilities, no further user namespaces: started by root, bwrap
  would otherwise leave root's powers to the payload.
- PID, IPC, UTS and cgroup namespaces of its own; the network is the node's or the pod's (see `netns`), or none.
- `--die-with-parent`: nothing outlives the node. `--new-session`: no input into the node's terminal.
- The environment travels in a memory file (`--args`), where `ps` of another user cannot read it.
- From the host: `/usr` read-only, of `/etc` what TLS, name resolution and the dynamic linker need. Accounts and
  host names are generated. No home, no `/var`, no `/sys`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ETC = (
    "ssl", "pki", "ca-certificates", "resolv.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "nsswitch.conf", "alternatives", "localtime", "mime.types", "protocols", "services",
)  # fmt: skip
"""Of the host's /etc: what programs need to link, resolve names and verify TLS; nothing about the host's users."""

DEFAULT_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path at a path of the container."""

    source: str
    target: str
    read_only: bool = True
    descriptor: int | None = None
    """In place of `source`: an O_PATH descriptor, so that nobody can exchange the path in between."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Everything that decides what a process sees."""

    hostname: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    uid: int
    gid: int
    """As the process sees them; which ids of the host stand behind is `runtime.Credentials`."""
    mounts: tuple[Mount, ...] = ()
    cwd: str = "/"
    read_only_root: bool = False
    seccomp: bool = True
    offline: bool = False
    """A network namespace of its own with nothing but its loopback, whatever the pod's network is."""
    terminal: bool = False
    """Started as the foreground process of a terminal of its own."""
    etc: Mapping[str, str] = field(default_factory=dict)
    """Generated files: name in /etc -> host path."""


def host_layout(root: Path = Path("/")) -> list[str]:
    """Arguments for /usr and the directories that are links into it on merged-usr systems."""
    arguments = ["--ro-bind", str(root / "usr"), "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = root / name
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()).removeprefix("/"), f"/{name}"]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), f"/{name}"]
    return arguments


def arguments(
    box: Sandbox, *, layout: list[str], block_fd: int, status_fd: int, seccomp_fd: int | None
) -> list[str]:
    """Arguments for `bwrap --args FD`, without the program itself (which is `box.argv`).

    The process waits until `block_fd` is readable: the node puts it into its cgroups first. `status_fd`
    gets bwrap's JSON status lines.
    """
    result = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if box.offline:
        result.append("--unshare-net")
    result += ["--uid", str(box.uid), "--gid", str(box.gid), "--cap-drop", "ALL", "--disable-userns"]
    result += ["--die-with-parent", "--hostname", box.hostname]
    if not box.terminal:  # it has the session of its terminal, which is not the node's
        result.append("--new-session")
    result += ["--block-fd", str(block_fd), "--json-status-fd", str(status_fd), "--clearenv"]
    for name, value in box.env.items():
        result += ["--setenv", name, value]
    result += [*layout, "--perms", "0755", "--dir", "/etc"]
    for name in ETC:
        if name not in box.etc:
            result += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    result += ["--proc", "/proc", "--dev", "/dev"]
    for directory in ("/tmp", "/var/tmp", "/run"):  # noqa: S108  # of the container, each a tmpfs of its own
        result += ["--perms", "1777", "--tmpfs", directory]
    result += ["--symlink", "../run", "/var/run"]
    for name, source in box.etc.items():
        result += ["--ro-bind", source, f"/etc/{name}"]
    for mount in sorted(box.mounts, key=lambda m: m.target.count("/")):
        option = "--ro-bind" if mount.read_only else "--bind"
        if mount.descriptor is None:
            result += [option, mount.source, mount.target]
        else:
            result += [f"{option}-fd", str(mount.descriptor), mount.target]
    if box.cwd != "/" and not any(
        box.cwd == m.target or box.cwd.startswith(m.target + "/") for m in box.mounts
    ):
        result += ["--dir", box.cwd]
    if box.read_only_root:
        result += ["--remount-ro", "/"]
    result += ["--chdir", box.cwd]
    if seccomp_fd is not None:
        result += ["--seccomp", str(seccomp_fd)]
    return result


def accounts(uid: int, gid: int) -> tuple[str, str]:
    """`/etc/passwd` and `/etc/group` for one container: its own user by name, and nobody."""
    name = "root" if uid == 0 else "app"
    users = [f"{name}:x:{uid}:{gid}::/tmp:/bin/sh"]
    if uid != 0:
        users.insert(0, "root:x:0:0:root:/root:/usr/sbin/nologin")
    if uid != 65534:
        users.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
    groups = [f"{'root' if gid == 0 else 'app'}:x:{gid}:"]
    if gid != 65534:
        groups.append("nogroup:x:65534:")
    return "\n".join(users) + "\n", "\n".join(groups) + "\n"


def hosts(hostname: str, aliases: Mapping[str, list[str]], address: str = "127.0.0.1") -> str:
    """`/etc/hosts`: loopback, the pod itself, and `aliases` (address -> names)."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", f"{address}\t{hostname}"]
    lines += [f"{address}\t{' '.join(names)}" for address, names in aliases.items()]
    return "# Written by the node for this pod.\n" + "\n".join(lines) + "\n"

"""Turns a container of a pod into a sandbox and starts it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sympozium import quantities
from sympozium.node import env, runtime, sandbox, status, volumes
from sympozium.node.cgroups import Limits
from sympozium.node.container import Launch
from sympozium.node.guard import MemoryGuard
from sympozium.node.images import Image
from sympozium.node.logs import LogWriter
from sympozium.node.objects import Object, all_containers
from sympozium.node.runtime import StartError
from sympozium.node.sandbox import Mount, Sandbox
from sympozium.node.switchboard import RESOLVER

if TYPE_CHECKING:
    from sympozium.node.pod import PodWorker

DEFAULT_USER = 1000
TERMINATION_LOG = "/dev/termination-log"
OFFLINE_ANNOTATION = "node.sympozium.ai/offline"


async def launch(pod: "PodWorker", container: Object, image: Image, log: LogWriter, attempt: int) -> Launch:
    """Start the next attempt. Raises ConfigError, StartError or OSError, with nothing left running."""
    machine = pod.machine
    if machine.host.level == "none":
        raise StartError(f"this node cannot make sandboxes: {machine.host.reason}")
    uid, gid = user(pod.object, container)
    variables = await _environment(pod, container, image)
    argv = env.command(container, image.entrypoint, variables)
    if not argv:
        raise StartError(
            f"no command: container {container['name']} names none and image {image.name} has no entry point"
        )
    directory = pod.directory / "containers" / container["name"]
    directory.mkdir(parents=True, exist_ok=True)
    termination_log = _fresh_file(directory / "termination-log", pod.owner)
    hostname = pod.object["spec"].get("hostname") or pod.object["metadata"]["name"][:63].rstrip("-.")
    with contextlib.ExitStack() as opened:
        mounts = [Mount(machine.host.stage(path), path) for path in image.binds]
        mounts += _volume_mounts(pod, container, variables, opened)
        mounts.append(
            Mount(str(termination_log), container.get("terminationMessagePath") or TERMINATION_LOG, False)
        )
        box = Sandbox(
            hostname, argv, variables, uid, gid, tuple(mounts), cwd=container.get("workingDir") or "/",
            read_only_root=bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem")),
            etc=_etc(pod, directory, hostname, uid, gid), offline=container["name"] in offline(pod.object),
            terminal=bool(container.get("tty")),
        )  # fmt: skip
        credentials = machine.host.credentials(pod.state.slot, _user_number(pod.object, uid))
        held = limits(pod, container)
        if (together := pod_memory(pod.object)) is not None:
            machine.host.groups.bound_pod(pod.object["metadata"]["uid"], together)
        group = machine.host.groups.create(pod.object["metadata"]["uid"], container["name"], held)
        pod.save(starting=(container["name"], attempt))
        process = await runtime.start(
            box, bwrap=machine.host.bwrap, layout=machine.host.layout, output=log.feed, credentials=credentials,
            group=group, network=pod.network, seccomp=machine.host.seccomp,
            processes=None if "pids" in machine.host.groups.bases else held.pids,
            stdin=bool(container.get("stdin")),
        )  # fmt: skip
    guard = None
    if "memory" not in machine.host.groups.bases:
        guard = MemoryGuard(
            process, held.memory or int(quantities.parse(machine.facts.allocatable["memory"]))
        )
    return Launch(process, group, box, credentials, termination_log, guard, machine.host.seccomp)


def offline(pod: Object) -> set[str]:
    """Containers that shall have no network, though others of the pod have (annotation, names with commas)."""
    annotations = pod["metadata"].get("annotations") or {}
    return {name.strip() for name in annotations.get(OFFLINE_ANNOTATION, "").split(",")} - {""}


def user(pod: Object, container: Object) -> tuple[int, int]:
    """User and group as the container sees them. Raises ConfigError when the pod contradicts itself."""
    security = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    uid = security.get("runAsUser")
    uid = DEFAULT_USER if uid is None else int(uid)
    if security.get("runAsNonRoot") and uid == 0:
        raise env.ConfigError(
            "container's runAsUser breaks non-root policy (runAsNonRoot is true, runAsUser is 0)"
        )
    gid = security.get("runAsGroup")
    return uid, uid if gid is None else int(gid)


def _user_number(pod: Object, uid: int) -> int:
    """Which of the pod's distinct users this is: each has its own user on the host."""
    users = list(dict.fromkeys(user(pod, c)[0] for c in all_containers(pod)))
    return users.index(uid)


def limits(pod: "PodWorker", container: Object) -> Limits:
    """The limits of a container; one that this machine cannot hold is said as an Event."""
    groups = pod.machine.host.groups
    resources = container.get("resources") or {}
    asked, requests = resources.get("limits") or {}, resources.get("requests") or {}
    if "cpu" in asked and "cpu" not in groups.bases:
        pod.event("Warning", "LimitNotEnforced", f"The cpu limit of container {container['name']} is not held on this node "
                  f"(cgroups: {groups.describe()}): start the node as root or with a delegated cgroup")  # fmt: skip
    return Limits(
        memory=int(quantities.parse(asked["memory"])) if "memory" in asked else None,
        cpu=float(quantities.parse(asked["cpu"])) if "cpu" in asked else None,
        cpu_request=float(quantities.parse(requests["cpu"])) if "cpu" in requests else None,
        pids=pod.machine.pod_pids_limit,
        oom_score=oom_score(pod.object, requests.get("memory", "0"), pod.machine.facts.allocatable["memory"]),
    )


def oom_score(pod: Object, request: str, available: str) -> int:
    """The kubelet's order of who is ended first, but never below the node itself, which watches over all.

    1000 for BestEffort, less for those that requested more, 2 for Guaranteed.
    """
    match status.qos_class(pod):
        case "Guaranteed":
            return 2
        case "BestEffort":
            return 1000
    share = int(1000 * quantities.parse(request) / quantities.parse(available))
    return min(max(3, 1000 - share), 999)


def pod_memory(pod: Object) -> int | None:
    """Bytes that all containers of a pod may use together; None when one of them has no limit."""
    limits = [((c.get("resources") or {}).get("limits") or {}).get("memory") for c in all_containers(pod)]
    amounts = [quantities.parse(limit) for limit in limits if limit is not None]
    return int(sum(amounts)) if len(amounts) == len(limits) else None


async def _environment(pod: "PodWorker", container: Object, image: Image) -> dict[str, str]:
    machine = pod.machine
    namespace = pod.object["metadata"]["namespace"]
    sources = {ref: await machine.fetch(namespace, ref) for ref in dict.fromkeys(env.references(container))}
    base = {
        "PATH": ":".join((*image.path, *sandbox.DEFAULT_PATH)),
        "HOSTNAME": pod.object["spec"].get("hostname") or pod.object["metadata"]["name"],
        "HOME": "/tmp",  # noqa: S108  # inside the sandbox
        **({"TERM": "xterm"} if container.get("tty") else {}),
        **image.env,
        **machine.service_env,
    }
    if pod.object["spec"].get("enableServiceLinks") is not False:
        base = await pod.service_links() | base
    return env.build(container, pod.object, sources, base, machine.facts.of(pod.ip))


def _fresh_file(path: Path, owner: tuple[int, int] | None) -> Path:
    path.unlink(missing_ok=True)
    path.touch()
    path.chmod(0o666)
    if owner:
        os.chown(path, *owner)
    return path


def _etc(pod: "PodWorker", directory: Path, hostname: str, uid: int, gid: int) -> dict[str, str]:
    """The generated files of /etc, by name."""
    passwd, group = sandbox.accounts(uid, gid)
    files = {
        "passwd": passwd,
        "group": group,
        "hosts": pod.hosts(),
        "hostname": hostname + "\n",
    }
    if pod.steered:
        files["resolv.conf"] = (
            f"nameserver {RESOLVER}\noptions use-vc\n"  # by TCP: the relay knows nothing else
        )
    for name, content in files.items():
        (directory / name).write_text(content)
    return {name: str(directory / name) for name in files}


def _volume_mounts(
    pod: "PodWorker", container: Object, variables: dict[str, str], opened: contextlib.ExitStack
) -> Iterator[Mount]:
    by_name = {volume["name"]: volume for volume in pod.object["spec"].get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume = by_name.get(mount["name"])
        if volume is None:
            raise env.ConfigError(f"volumeMount {mount['name']}: the pod has no such volume")
        path = pod.volumes.path(volume)
        node_written = volumes.kind(volume) in volumes.NODE_WRITTEN
        claim = pod.volumes.claims.get(mount["name"])
        read_only = bool(mount.get("readOnly")) or node_written or bool(claim and claim.read_only)
        sub_path = mount.get("subPath") or env.expand(mount.get("subPathExpr") or "", variables)
        if not sub_path:
            yield Mount(pod.machine.host.stage(str(path)), mount["mountPath"], read_only)
        elif node_written:
            yield Mount(_inside(path, sub_path), mount["mountPath"], read_only)
        else:
            base = Path(pod.machine.host.stage(str(path)))
            descriptor = opened.enter_context(volumes.beneath(base, sub_path, pod.owner))
            yield Mount("", mount["mountPath"], read_only, descriptor=descriptor)


def _inside(volume: Path, sub_path: str) -> str:
    """A file of a volume that only the node writes; its links are the node's own."""
    if ".." in PurePosixPath(sub_path).parts:
        raise env.ConfigError(f"subPath {sub_path!r} leaves the volume")
    found = volume / sub_path
    if not found.exists():
        raise env.ConfigError(f"subPath {sub_path!r} does not exist in the volume")
    return os.path.realpath(found)

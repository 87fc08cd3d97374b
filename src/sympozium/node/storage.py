"""How much of the disk a pod uses, and what follows from it.

A container's own share is its log: its file system outside of volumes is memory. Limits are emptyDir's
`sizeLimit`, `ephemeral-storage` of a container, and the sum of those over the pod; texts are the kubelet's.
https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sympozium import quantities
from sympozium.node import capacity
from sympozium.node.objects import Object, all_containers

RESOURCE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on disk, by emptyDir volume and by container."""

    volumes: Mapping[str, int]
    logs: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.volumes.values()) + sum(self.logs.values())


def measure(volumes: Mapping[str, Path], logs: Mapping[str, Path]) -> Usage:
    """Blocks: a second for a million files, so call it in a thread."""
    return Usage({n: size(p) for n, p in volumes.items()}, {n: size(p) for n, p in logs.items()})


def size(path: Path) -> int:
    """Bytes on disk below `path`; files that vanish meanwhile do not count, nor do what links lead to."""
    total = 0
    for directory, names, files in os.walk(path):
        for name in (*names, *files):
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(directory, name))  # noqa: PTH118  # os.walk gives strings
                total += (
                    status.st_blocks * 512 // status.st_nlink if name in files else status.st_blocks * 512
                )
    return total


def limited(pod: Object) -> bool:
    """Whether anything of the pod has to be measured."""
    volumes = pod["spec"].get("volumes") or ()
    return any((v.get("emptyDir") or {}).get("sizeLimit") for v in volumes) or any(
        RESOURCE in _amounts(c, "limits") for c in all_containers(pod)
    )


def excess(pod: Object, used: Usage) -> str | None:
    """The message of an eviction, when the pod has outgrown a limit of its own."""
    for volume in pod["spec"].get("volumes") or ():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit and used.volumes.get(volume["name"], 0) > quantities.parse(limit):
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    limits = {c["name"]: _amounts(c, "limits").get(RESOURCE) for c in all_containers(pod)}
    mains = [limits[c["name"]] for c in pod["spec"]["containers"]]
    if all(mains):
        together = sum(quantities.parse(limit) for limit in mains if limit)
        if used.total > together:
            return (
                "Pod ephemeral local storage usage exceeds the total limit of containers "
                f"{capacity.render(int(together))}. "
            )
    for name, limit in limits.items():
        if limit and used.logs.get(name, 0) > quantities.parse(limit):
            return f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
    return None


def requested(pod: Object) -> int:
    """Bytes that the pod's main containers have asked for."""
    return int(
        sum(quantities.parse(_amounts(c, "requests").get(RESOURCE, "0")) for c in pod["spec"]["containers"])
    )


def _amounts(container: Object, which: str) -> Mapping[str, str]:
    return (container.get("resources") or {}).get(which) or {}

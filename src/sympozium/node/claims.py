"""Volumes of PersistentVolumeClaims: which directory of the machine stands behind a claim.

docs/contracts.md, "Volumes on one machine". PersistentVolumes are made by administrators and by the binder, so
their paths need no `--allow-host-path`. A directory that the binder made outlives pods, each of which has users of
its own on the machine: it is given to the pod that mounts it. A path that a person named keeps its owners.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sympozium.node.env import ConfigError
from sympozium.node.objects import Object

PROVISIONED = "pv.kubernetes.io/provisioned-by"
OURS = "sympozium.ai/local-path"


@dataclass(frozen=True, slots=True)
class Claim:
    """A bound claim."""

    path: Path
    read_only: bool
    given: bool
    """Whether its files are given to the pod."""


Find = Callable[[str, str], Awaitable[Object | None]]
"""(`claim` or `volume`, name) -> the object."""


def name_of(volume: Object, pod: Object) -> str | None:
    """The claim of a volume of a pod: named, or made for this pod from a template; None for other volumes."""
    if source := volume.get("persistentVolumeClaim"):
        return str(source["claimName"])
    if volume.get("ephemeral"):
        return f"{pod['metadata']['name']}-{volume['name']}"
    return None


async def resolve(volume: Object, pod: Object, find: Find) -> Claim:
    """Raises ConfigError when the claim cannot be used (yet)."""
    namespace, name = pod["metadata"]["namespace"], name_of(volume, pod) or ""
    claim = await find("claim", name)
    if claim is None:
        raise ConfigError(f'persistentvolumeclaim "{name}" not found')
    if claim["metadata"].get("deletionTimestamp"):
        raise ConfigError(f'persistentvolumeclaim "{name}" is being deleted')
    if volume.get("ephemeral") and not _owned(claim, pod):
        raise ConfigError(
            f"PVC {namespace}/{name} was not created for pod {namespace}/{pod['metadata']['name']}"
        )
    bound = claim["spec"].get("volumeName")
    if (claim.get("status") or {}).get("phase") != "Bound" or not bound:
        raise ConfigError(f"PVC {namespace}/{name} is not bound")
    if claim["spec"].get("volumeMode") == "Block":
        raise ConfigError(f"PVC {namespace}/{name} has volumeMode Block, which this node cannot give")
    found = await find("volume", bound)
    if found is None:
        raise ConfigError(f'persistentvolume "{bound}" not found')
    return _directory(volume, claim, found)


def _directory(volume: Object, claim: Object, found: Object) -> Claim:
    """Of a bound claim and its PersistentVolume. Raises ConfigError."""
    bound, spec = found["metadata"]["name"], found["spec"]
    source = spec.get("hostPath") or spec.get("local")
    if source is None:
        known = sorted(set(spec) - {"capacity", "accessModes", "claimRef", "volumeMode", "nodeAffinity",
                                    "storageClassName", "persistentVolumeReclaimPolicy", "mountOptions"})  # fmt: skip
        raise ConfigError(
            f"persistentvolume {bound} has the source {known}: this node mounts hostPath and local"
        )
    path, wanted = Path(source["path"]), source.get("type") or ""
    if wanted == "DirectoryOrCreate":
        path.mkdir(mode=0o777, parents=True, exist_ok=True)
    if not path.is_dir():
        raise ConfigError(f"persistentvolume {bound}: {path} is no directory on this node")
    modes = claim["spec"].get("accessModes") or []
    read_only = (volume.get("persistentVolumeClaim") or {}).get("readOnly") or modes == ["ReadOnlyMany"]
    given = (found["metadata"].get("annotations") or {}).get(PROVISIONED) == OURS
    return Claim(path, bool(read_only), given)


def _owned(claim: Object, pod: Object) -> bool:
    owners = claim["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == pod["metadata"]["uid"] for owner in owners)


def give(path: Path, owner: tuple[int, int]) -> None:
    """Make `owner` the owner of everything below. Follows no link. Blocks: for a thread."""
    status = path.stat()
    if (status.st_uid, status.st_gid) == owner:
        return
    for directory, names, files in os.walk(path):
        for name in (*names, *files):
            with contextlib.suppress(FileNotFoundError):
                os.chown(os.path.join(directory, name), *owner, follow_symlinks=False)  # noqa: PTH118  # as os.walk
    os.chown(path, *owner)  # last: what is half done is done again

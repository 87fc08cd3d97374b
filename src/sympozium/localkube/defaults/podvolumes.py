"""What is wrong with the volumes of a pod's spec, in the API server's words and order.

A volume with a mistake counts as absent: whoever mounts it is told so as well.
"""

from collections.abc import Callable
from typing import Any

from sympozium.localkube.defaults.checks import (
    Causes,
    below,
    file_mode,
    no_backsteps,
    optional_word,
    unreserved,
    word,
)
from sympozium.localkube.defaults.fieldrefs import file_causes
from sympozium.localkube.defaults.labels import label_causes, name_causes, selector_shape_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object
from sympozium.quantities import parse

_SOURCES = (
    *(
        "emptyDir",
        "hostPath",
        "gitRepo",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "secret",
        "nfs",
        "iscsi",
    ),
    *("glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI"),
    *(
        "fc",
        "flexVolume",
        "configMap",
        "azureFile",
        "vsphereVolume",
        "photonPersistentDisk",
        "portworxVolume",
    ),
    *("azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image"),
)
"""In the order in which they are looked at: the first one is the volume's type, the others are too many."""
_PULL = ("Always", "IfNotPresent", "Never")
_HOST_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NEEDED: dict[str, tuple[str, ...]] = {
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "storageos": ("volumeName",),
    "scaleIO": ("gateway", "system", "volumeName"),
}
"""What the sources that no node of ours can mount must at least say."""


def volume_causes(volumes: list[Object], path: str, pod: str) -> tuple[Causes, dict[str, Object]]:
    """The causes, and the volumes without any, by name. `pod` is the pod's name, empty where there is none yet."""
    causes: Causes = []
    good: dict[str, Object] = {}
    claims = {f"{pod}-{volume.get('name', '')}" for volume in volumes if pod and "ephemeral" in volume}
    for index, volume in enumerate(volumes):
        at, name = f"{path}[{index}]", volume.get("name", "")
        found = _volume(volume, at, pod)
        found += name_causes(name, f"{at}.name", "label") if name else [gotext.required(f"{at}.name")]
        if name in good:
            found.append(gotext.duplicate(f"{at}.name", name))
        if not found:
            good[name] = volume
        causes += found
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in claims:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            causes.append(gotext.invalid(f"{at}.persistentVolumeClaim.claimName", claim, why))
    return causes, good


def _volume(volume: Object, at: str, pod: str) -> Causes:
    kinds = [kind for kind in _SOURCES if kind in volume]
    if not kinds:
        return [gotext.required(at, "must specify a volume type")]
    kind, name = kinds[0], volume.get("name", "")
    causes: Causes = []
    if kind in _CHECKS:
        causes += _CHECKS[kind](volume[kind], f"{at}.{kind}")
    else:
        causes += [
            gotext.required(f"{at}.{kind}.{key}")
            for key in _NEEDED.get(kind, ())
            if not volume[kind].get(key)
        ]
    if kind == "ephemeral" and pod and name:
        claim = f"{pod}-{name}"
        causes += [
            gotext.invalid(
                f"{at}.name",
                name,
                f"PVC name {gotext.quoted(claim)}: {cause.message.partition(': ')[2].partition(': ')[2]}",
            )
            for cause in name_causes(claim, "")
        ]
    return causes + [
        gotext.forbidden(f"{at}.{other}", "may not specify more than 1 volume type") for other in kinds[1:]
    ]


def _empty_dir(source: Object, at: str) -> Causes:
    if source.get("sizeLimit") is not None and parse(source["sizeLimit"]) < 0:
        return [gotext.forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _host_path(source: Object, at: str) -> Causes:
    if not source.get("path"):
        return [gotext.required(f"{at}.path")]
    return no_backsteps(source["path"], f"{at}.path") + optional_word(
        source.get("type"), _HOST_TYPES, f"{at}.type"
    )


def _keys(items: Any, at: str) -> Causes:
    causes: Causes = []
    for index, item in enumerate(items or ()):
        place = f"{at}.items[{index}]"
        causes += [gotext.required(f"{place}.{key}") for key in ("key", "path") if not item.get(key)]
        causes += unreserved(item.get("path") or "", f"{place}.path")
        causes += file_mode(item.get("mode"), f"{place}.mode")
    return causes


def _named_keys(name: str) -> Callable[[Object, str], Causes]:
    def check(source: Object, at: str) -> Causes:
        causes = [] if source.get(name) else [gotext.required(f"{at}.{name}")]
        return (
            causes
            + file_mode(source.get("defaultMode"), f"{at}.defaultMode")
            + _keys(source.get("items"), at)
        )

    return check


def _nfs(source: Object, at: str) -> Causes:
    causes = [gotext.required(f"{at}.{key}") for key in ("server", "path") if not source.get(key)]
    where = source.get("path") or ""
    if not where.startswith("/"):
        causes.append(gotext.invalid(f"{at}.path", where, "must be an absolute path"))
    return causes


def _downward(source: Object, at: str) -> Causes:
    causes = file_mode(source.get("defaultMode"), f"{at}.defaultMode")
    for item in source.get("items") or ():
        causes += file_causes(item, at)
    return causes


def _projected(source: Object, at: str) -> Causes:
    causes = file_mode(source.get("defaultMode"), f"{at}.defaultMode")
    paths: set[str] = set()
    for index, part in enumerate(source.get("sources") or ()):
        causes += _projection(part, f"{at}.sources[{index}]", at, paths)
    return causes


def _projection(part: Object, at: str, whole: str, paths: set[str]) -> Causes:
    causes: Causes = []
    for kind in ("secret", "configMap"):
        if kind not in part:
            continue
        place, name = f"{at}.{kind}", part[kind].get("name") or ""
        if not name:
            causes.append(gotext.required(f"{place}.name"))
        for index, item in enumerate(part[kind].get("items") or ()):
            causes += [
                cause
                for cause in _keys(part[kind]["items"], place)
                if cause.field.startswith(f"{place}.items[{index}].")
            ]
            causes += _once(item.get("path") or "", name, whole, paths)
    for item in (part.get("downwardAPI") or {}).get("items") or ():
        causes += file_causes(item, f"{at}.downwardAPI")
        causes += _once(item.get("path") or "", item.get("path") or "", whole, paths)
    if "serviceAccountToken" in part:
        causes += _token(part["serviceAccountToken"], f"{at}.serviceAccountToken", whole)
    return causes


def _once(path: str, shown: str, whole: str, paths: set[str]) -> Causes:
    if path in paths:
        return [gotext.invalid(whole, shown, "conflicting duplicate paths")]
    if path:
        paths.add(path)
    return []


def _token(source: Object, at: str, whole: str) -> Causes:
    causes: Causes = []
    seconds = source.get("expirationSeconds") or 0
    if seconds < 600:
        why = "may not specify a duration less than 10 minutes"
        causes.append(gotext.invalid(f"{at}.expirationSeconds", seconds, why))
    if seconds > 2**32:
        why = "may not specify a duration larger than 2^32 seconds"
        causes.append(gotext.invalid(f"{at}.expirationSeconds", seconds, why))
    if not source.get("path"):
        return [*causes, gotext.required(f"{whole}.path")]
    return causes + unreserved(source["path"], f"{whole}.path")


def _csi(source: Object, at: str) -> Causes:
    driver = source.get("driver") or ""
    if not driver:
        causes = [gotext.required(f"{at}.driver")]
    elif len(driver) > 63:
        causes = [gotext.too_long(f"{at}.driver", 63)]
    else:
        causes = name_causes(driver.lower(), f"{at}.driver")
        causes = [gotext.invalid(f"{at}.driver", driver, cause.message.split(": ", 2)[2]) for cause in causes]
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        causes.append(gotext.required(f"{at}.nodePublishSecretRef.name"))
    elif secret is not None:
        causes += name_causes(secret["name"], f"{at}.name")
    return causes


def _ephemeral(source: Object, at: str) -> Causes:
    template = source.get("volumeClaimTemplate")
    if not template:
        return [gotext.required(f"{at}.volumeClaimTemplate")]
    at = f"{at}.volumeClaimTemplate"
    causes = label_causes((template.get("metadata") or {}).get("labels"), f"{at}.metadata.labels")
    spec = template.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        causes.append(gotext.required(f"{at}.spec.accessModes", "at least 1 access mode is required"))
    causes += selector_shape_causes(spec.get("selector"), f"{at}.spec.selector")
    causes += [
        gotext.unsupported(f"{at}.spec.accessModes", mode, _MODES) for mode in modes if mode not in _MODES
    ]
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is None:
        causes.append(gotext.required(f"{at}.spec.resources[storage]"))
    elif parse(asked) <= 0:
        causes.append(gotext.invalid(f"{at}.spec.resources[storage]", asked, "must be greater than zero"))
    if spec.get("storageClassName"):
        causes += name_causes(spec["storageClassName"], f"{at}.spec.storageClassName")
    return causes + optional_word(spec.get("volumeMode"), ("Block", "Filesystem"), f"{at}.spec.volumeMode")


def _image(source: Object, at: str) -> Causes:
    causes = [] if source.get("reference") else [gotext.required(f"{at}.reference")]
    return causes + word(source.get("pullPolicy"), _PULL, f"{at}.pullPolicy")


def _git_repo(source: Object, at: str) -> Causes:
    causes = [] if source.get("repository") else [gotext.required(f"{at}.repository")]
    return causes + below(source.get("directory") or "", f"{at}.directory")


_CHECKS: dict[str, Callable[[Object, str], Causes]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "secret": _named_keys("secretName"),
    "configMap": _named_keys("name"),
    "nfs": _nfs,
    "downwardAPI": _downward,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}

"""What a pod may ask of a kubelet and this node does not do: found before the pod starts, and named.

A field that would be accepted and ignored is worse than one that is refused: a pod that asks for a
privileged container or a volume from a cloud would run as something else. Such a pod ends Failed with
reason `UnsupportedPod` and the list of what it asked for.
"""

from collections.abc import Iterator

from sympozium.node.objects import Object, all_containers
from sympozium.node.volumes import kind

VOLUMES = {
    "emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath", "persistentVolumeClaim", "ephemeral",
}  # fmt: skip
PROJECTED = {"configMap", "secret", "downwardAPI", "serviceAccountToken"}

_POD_FLAGS = {
    "hostPID": "the processes of the machine are not shared with pods",
    "hostIPC": "the IPC of the machine is not shared with pods",
    "shareProcessNamespace": "each container has processes of its own",
}
_POD_FIELDS = {
    "resourceClaims": "no dynamic resources",
    "setHostnameAsFQDN": "pods have no domain",
    "ephemeralContainers": "no ephemeral containers",
}
_CONTAINER_FIELDS = {
    "volumeDevices": "no block devices",
}  # fmt: skip
_SECURITY_FIELDS = {
    "seLinuxOptions": "no SELinux labels", "windowsOptions": "this is not Windows", "procMount": "/proc is the default",
}  # fmt: skip


def unsupported(pod: Object, *, allow_host_path: bool) -> list[str]:
    """One line for each thing that this node cannot give the pod: where, and why."""
    return [
        *_pod(pod["spec"]),
        *(line for volume in pod["spec"].get("volumes") or () for line in _volume(volume, allow_host_path)),
        *(line for container in all_containers(pod) for line in _container(container)),
    ]


def _pod(spec: Object) -> Iterator[str]:
    for field, why in _POD_FLAGS.items():
        if spec.get(field):
            yield f"spec.{field}: {why}"
    for field, why in _POD_FIELDS.items():
        if spec.get(field):
            yield f"spec.{field}: {why}"
    security = spec.get("securityContext") or {}
    for field in ("sysctls", "seLinuxOptions", "windowsOptions", "supplementalGroups"):
        if security.get(field):
            yield f"spec.securityContext.{field}: not possible in a sandbox of this node"
    yield from _profiles(security, "spec.securityContext")
    if spec.get("dnsConfig") or spec.get("dnsPolicy") == "None":
        yield "spec.dnsConfig: pods use the resolver of the machine"


def _profiles(security: Object, where: str) -> Iterator[str]:
    for field in ("seccompProfile", "appArmorProfile"):
        if (security.get(field) or {}).get("type") == "Localhost":
            yield f"{where}.{field}: no profiles of one's own; RuntimeDefault is what every container gets"
    if (security.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f"{where}.seccompProfile: Unconfined is not given; RuntimeDefault is what every container gets"


def _volume(volume: Object, allow_host_path: bool) -> Iterator[str]:
    which = kind(volume)
    where = f"volume {volume['name']}"
    if which not in VOLUMES:
        yield f"{where}: {which} is not one of {', '.join(sorted(VOLUMES))}"
    elif which == "hostPath" and not allow_host_path:
        yield f"{where}: hostPath needs a node that was started with --allow-host-path"
    elif which == "projected":
        for source in volume["projected"].get("sources") or ():
            for name in set(source) - PROJECTED:
                yield f"{where}: projected source {name} is not one of {', '.join(sorted(PROJECTED))}"


def _container(container: Object) -> Iterator[str]:
    where = f"container {container['name']}"
    for field, why in _CONTAINER_FIELDS.items():
        if container.get(field):
            yield f"{where}: {field}: {why}"
    security = container.get("securityContext") or {}
    if security.get("privileged"):
        yield f"{where}: privileged: every container is a sandbox without capabilities"
    if added := (security.get("capabilities") or {}).get("add"):
        yield f"{where}: capabilities.add {added}: every container is without capabilities"
    for field, why in _SECURITY_FIELDS.items():
        if security.get(field) and security[field] != "Default":
            yield f"{where}: {field}: {why}"
    yield from _profiles(security, f"{where}: securityContext")
    for mount in container.get("volumeMounts") or ():
        if mount.get("mountPropagation") not in {None, "None"}:
            yield f"{where}: mountPropagation {mount['mountPropagation']}: mounts are never passed on"
    for name in (container.get("resources") or {}).get("limits") or {}:
        if name not in {"cpu", "memory", "ephemeral-storage"}:
            yield f"{where}: limit of {name}: this node has none"

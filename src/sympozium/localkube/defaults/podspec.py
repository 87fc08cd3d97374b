"""Defaults of a pod's spec, wherever one is: in a Pod, a Job, a Deployment.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ names each default.
"""

import re
from collections.abc import Iterator

from sympozium.localkube.defaults.strategy import fill
from sympozium.localkube.types import Object

DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,})?"
)
"""https://pkg.go.dev/github.com/distribution/reference"""


def containers(spec: Object) -> Iterator[Object]:
    """Init containers, then containers."""
    for key in ("initContainers", "containers"):
        yield from spec.get(key) or ()


def default_spec(spec: Object) -> None:
    """What every pod spec gets; `default_pod` in `pods` adds what only a Pod itself gets."""
    fill(spec, restartPolicy="Always")
    fill(spec, terminationGracePeriodSeconds=30)
    fill(spec, dnsPolicy="ClusterFirst")
    # The two names of one field are always written both.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("securityContext", {})
    fill(spec, schedulerName="default-scheduler")
    for container in containers(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Object, *, host_network: bool) -> None:
    container.setdefault("resources", {})
    fill(container, terminationMessagePath="/dev/termination-log")
    fill(container, terminationMessagePolicy="File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    for port in container.get("ports") or ():
        fill(port, protocol="TCP")
        if host_network and port.get("containerPort"):
            port.setdefault("hostPort", port["containerPort"])
    for env in container.get("env") or ():
        _field_reference((env.get("valueFrom") or {}).get("fieldRef"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])
    hooks = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        _http_get((hooks.get(name) or {}).get("httpGet"))


def pull_policy(image: str) -> str:
    """`Always` for the tag `latest` or none, else `IfNotPresent`, also for what is no image's name."""
    if len(image.partition("@")[0]) > 255 or not _IMAGE.fullmatch(image):
        return "IfNotPresent"
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    return "Always" if not digest and tag in {"", "latest"} else "IfNotPresent"


def _field_reference(reference: Object | None) -> None:
    if reference:
        fill(reference, apiVersion="v1")


def _probe(probe: Object) -> None:
    for key, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(key):
            probe[key] = value
    _http_get(probe.get("httpGet"))
    if probe.get("grpc"):
        fill(probe["grpc"], service="")


def _http_get(action: Object | None) -> None:
    if action:
        fill(action, path="/")
        fill(action, scheme="HTTP")


def _volume(volume: Object) -> None:
    if len(volume) == 1 and "name" in volume:
        volume["emptyDir"] = {}
    for key in ("secret", "configMap", "projected", "downwardAPI"):
        if key in volume:
            volume[key].setdefault("defaultMode", DEFAULT_MODE)
    if "image" in volume and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = pull_policy(volume["image"].get("reference", ""))
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template:
        fill(template.setdefault("spec", {}), volumeMode="Filesystem")
    if "hostPath" in volume:
        fill(volume["hostPath"], type="")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _field_reference(item.get("fieldRef"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            fill(source["serviceAccountToken"], expirationSeconds=TOKEN_SECONDS)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _field_reference(item.get("fieldRef"))

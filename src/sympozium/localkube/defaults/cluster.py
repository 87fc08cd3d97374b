"""Namespaces, nodes, leases, events and the other kinds of a cluster's own house-keeping."""

from sympozium.localkube.defaults.strategy import Strategy
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

NAME_LABEL = "kubernetes.io/metadata.name"


def _default_namespace(namespace: Object) -> None:
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})[NAME_LABEL] = name


def _create_namespace(namespace: Object) -> None:
    namespace["status"] = {"phase": "Active"}
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _update_namespace(namespace: Object, old: Object, subresource: str) -> None:
    """Finalizers in the spec change through /finalize alone."""
    if not subresource:
        finalizers = old.get("spec", {}).get("finalizers")
        if finalizers is not None:
            namespace.setdefault("spec", {})["finalizers"] = finalizers


def _check_node(node: Object, old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, taint in enumerate(node.get("spec", {}).get("taints") or ()):
        effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
        if taint.get("effect") not in effects:
            path = f"spec.taints[{index}].effect"
            causes.append(gotext.unsupported(path, taint.get("effect", ""), effects))
    if old is not None:
        before = old.get("spec", {}).get("providerID")
        if before and node.get("spec", {}).get("providerID") != before:
            causes.append(
                gotext.forbidden(
                    "spec.providerID", 'node updates may not change providerID except from "" to valid'
                )
            )
    return causes


def _check_lease(lease: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    spec = lease.get("spec") or {}
    causes: list[Cause] = []
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        why = "must be greater than 0"
        causes.append(gotext.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], why))
    if (spec.get("leaseTransitions") or 0) < 0:
        why = "must be greater than or equal to 0"
        causes.append(gotext.invalid("spec.leaseTransitions", spec["leaseTransitions"], why))
    return causes


def _check_event(event: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    about = (event.get("involvedObject") or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    # Events of cluster-scoped objects are in the namespace default.
    if about != namespace and not (not about and namespace in {"default", "kube-system"}):
        return [gotext.invalid("involvedObject.namespace", about, "does not match event.namespace")]
    return []


NAMESPACE = Strategy(
    status=True, default=_default_namespace, create=_create_namespace, update=_update_namespace
)
NODE = Strategy(status=True, status_metadata=True, check=_check_node)
LEASE = Strategy(check=_check_lease)
EVENT = Strategy(check=_check_event)

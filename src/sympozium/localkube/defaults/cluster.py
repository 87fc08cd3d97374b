"""Namespaces, nodes, leases, events and the other kinds of a cluster's own house-keeping."""

import ipaddress

from sympozium.localkube.defaults.checks import word
from sympozium.localkube.defaults.eventrules import core_causes
from sympozium.localkube.defaults.labels import key_causes, value_causes
from sympozium.localkube.defaults.strategy import Strategy
from sympozium.localkube.metadata import is_known_finalizer
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


def _check_namespace(namespace: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in namespace.get("spec", {}).get("finalizers") or ():
        causes += key_causes(name, "spec.finalizers")
        if not is_known_finalizer(name):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(gotext.invalid("spec.finalizers", name, why))
    return causes


def _default_node(node: Object) -> None:
    """The first range of addresses of pods has two names."""
    spec = node.get("spec") or {}
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        if spec.get("podCIDR") and spec["podCIDR"] != spec["podCIDRs"][0]:
            spec["podCIDRs"] = [spec["podCIDR"]]
        if spec["podCIDRs"][0]:
            spec["podCIDR"] = spec["podCIDRs"][0]
    spec.pop("configSource", None)


_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _taints(taints: list[Object]) -> list[Cause]:
    """The API server says that they are in the metadata, which they are not."""
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        at = f"metadata.taints[{index}]"
        key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
        causes += key_causes(key, f"{at}.key")
        if value:
            causes += value_causes(value, f"{at}.value")
        causes += word(effect, _EFFECTS, f"{at}.effect")
        if (key, effect) in seen:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            why = "taints must be unique by key and effect pair"
            cause = gotext.duplicate(at, shown)
            causes.append(Cause(cause.field, cause.reason, f"{cause.message}: {why}"))
        seen.add((key, effect))
    return causes


def _ranges(ranges: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    families: list[int] = []
    for index, text in enumerate(ranges):
        try:
            families.append(ipaddress.ip_network(text if "/" in text else "", strict=False).version)
        except ValueError:
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            causes.append(gotext.invalid(f"spec.podCIDRs[{index}]", text, why))
    if len(families) > len(set(families)):
        why = "may specify no more than one CIDR for each IP family"
        causes.append(gotext.invalid("spec.podCIDRs", ranges, why))
    return causes


def _check_node(node: Object, old: Object | None, _subresource: str) -> list[Cause]:
    spec = node.get("spec") or {}
    causes = _taints(spec.get("taints") or []) + _ranges(spec.get("podCIDRs") or [])
    if old is not None:
        before = old.get("spec", {}).get("providerID")
        if before and spec.get("providerID") != before:
            why = 'node updates may not change providerID except from "" to valid'
            causes.append(gotext.forbidden("spec.providerID", why))
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
    return core_causes(event)


NAMESPACE = Strategy(
    status=True,
    default=_default_namespace,
    create=_create_namespace,
    update=_update_namespace,
    check=_check_namespace,
)
NODE = Strategy(status=True, status_metadata=True, default=_default_node, check=_check_node)
LEASE = Strategy(check=_check_lease)
EVENT = Strategy(check=_check_event)

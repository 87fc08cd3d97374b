"""What an object counts for, and which quotas count it. Pure: tested on values."""

from datetime import UTC, datetime, timedelta

from sympozium.localkube.admission.amounts import ONE, ZERO, Amount, Amounts, amount, of_pod
from sympozium.localkube.types import Object

COMPUTE = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_COUNTED = frozenset(
    {
        "services",
        "secrets",
        "configmaps",
        "resourcequotas",
        "replicationcontrollers",
        "persistentvolumeclaims",
    }
)


def usage(group: str, resource: str, obj: Object) -> Amounts:
    """By the names that quotas use."""
    made: Amounts = {f"count/{resource}.{group}" if group else f"count/{resource}": ONE}
    if group:
        return made
    if resource in _COUNTED:
        made[resource] = ONE
    if resource == "pods":
        made |= _pod(obj)
    elif resource == "services":
        made |= _service(obj["spec"])
    elif resource == "persistentvolumeclaims":
        made |= _claim(obj["spec"])
    return made


def ended(pod: Object) -> bool:
    """A pod that uses nothing any more: it has ended, or should have been gone by now."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return True
    meta = pod["metadata"]
    gone, grace = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    if not gone or grace is None:
        return False
    return datetime.now(UTC) > datetime.fromisoformat(gone) + timedelta(seconds=grace)


def _pod(pod: Object) -> Amounts:
    if ended(pod):
        return {}
    made: Amounts = {"pods": ONE}
    for name, one in of_pod(pod["spec"], "requests").items():
        if name in {"cpu", "memory", "ephemeral-storage"} or name.startswith("hugepages-"):
            made[name] = made[f"requests.{name}"] = one
        elif "/" in name:
            made[f"requests.{name}"] = one
    for name, one in of_pod(pod["spec"], "limits").items():
        if name in {"cpu", "memory", "ephemeral-storage"}:
            made[f"limits.{name}"] = one
    return made


def _service(spec: Object) -> Amounts:
    kind, ports = spec.get("type", "ClusterIP"), spec.get("ports") or []
    balanced = kind == "LoadBalancer"
    count = 0
    if kind == "NodePort" or (balanced and spec.get("allocateLoadBalancerNodePorts") is not False):
        count = len(ports)
    elif balanced:
        count = sum(1 for port in ports if port.get("nodePort"))
    return {
        "services.loadbalancers": ONE if balanced else ZERO,
        "services.nodeports": amount(count) if count else ZERO,
    }


def _claim(spec: Object) -> Amounts:
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    made: Amounts = {} if storage is None else {"requests.storage": amount(storage)}
    storage_class = spec.get("storageClassName")
    if storage_class:
        prefix = f"{storage_class}.storageclass.storage.k8s.io"
        made[f"{prefix}/persistentvolumeclaims"] = ONE
        if storage is not None:
            made[f"{prefix}/requests.storage"] = amount(storage)
    return made


def counts(quota: Object, group: str, resource: str, obj: Object) -> bool:
    """Whether a quota with scopes wants the object: scopes are about pods."""
    spec = quota["spec"]
    scopes = [(scope, "Exists", ()) for scope in spec.get("scopes") or ()]
    rules = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scopes += [(rule["scopeName"], rule["operator"], tuple(rule.get("values") or ())) for rule in rules]
    if not scopes:
        return True
    if (group, resource) != ("", "pods"):
        return False
    return all(_in_scope(obj["spec"], *scope) for scope in scopes)


def _in_scope(spec: Object, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    terminating = (spec.get("activeDeadlineSeconds") or -1) >= 0
    effortless = not of_pod(spec, "requests") and not of_pod(spec, "limits")
    match scope:
        case "Terminating":
            return terminating
        case "NotTerminating":
            return not terminating
        case "BestEffort":
            return effortless
        case "NotBestEffort":
            return not effortless
        case "PriorityClass":
            name = spec.get("priorityClassName") or ""
            return {
                "Exists": bool(name),
                "DoesNotExist": not name,
                "In": name in values,
                "NotIn": bool(name) and name not in values,
            }.get(operator, False)
        case "CrossNamespacePodAffinity":
            return _crosses(spec.get("affinity") or {})
    return False


def _crosses(affinity: Object) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = list((affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = (affinity.get(kind) or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def unsaid(pod: Object, restricted: set[str]) -> str:
    """A quota on cpu or memory wants each container to say what it uses: what is missing, or ""."""
    missing: dict[str, set[str]] = {}
    spec = pod["spec"]
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        said = set(resources.get("requests") or {})
        said |= {f"requests.{name}" for name in resources.get("requests") or {}}
        said |= {f"limits.{name}" for name in resources.get("limits") or {}}
        for name in (restricted & COMPUTE) - said:
            missing.setdefault(name, set()).add(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def written(parts: Amounts) -> str:
    """`cpu=1,pods=2`."""
    return ",".join(f"{name}={parts[name]}" for name in sorted(parts))


def none_of(hard: Amounts) -> Amounts:
    return {name: Amount(ZERO.value, one.binary) for name, one in hard.items()}

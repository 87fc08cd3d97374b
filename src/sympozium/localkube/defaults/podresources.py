"""What is wrong with requests and limits of a container, in the API server's words."""

from typing import Any

from sympozium.localkube.defaults.checks import NOT_NEGATIVE, Causes
from sympozium.localkube.defaults.labels import key_causes
from sympozium.localkube.metadata import qualified_name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object
from sympozium.quantities import parse

_CONTAINER = frozenset(["cpu", "memory", "ephemeral-storage"])
_STANDARD = _CONTAINER | {
    *("requests.cpu", "requests.memory", "requests.ephemeral-storage", "limits.cpu", "limits.memory"),
    *("limits.ephemeral-storage", "pods", "resourcequotas", "services", "replicationcontrollers", "secrets"),
    *("configmaps", "persistentvolumeclaims", "storage", "services.nodeports", "services.loadbalancers"),
}
_HUGE = "hugepages-"


def _is_huge(name: str) -> bool:
    return name.startswith(_HUGE)


def _is_native(name: str) -> bool:
    return "/" not in name or name.split("/", maxsplit=1)[0] == "kubernetes.io"


def _overcommits(name: str) -> bool:
    """Whether requests may be below limits."""
    return _is_native(name) and not _is_huge(name)


def name_causes(name: str, at: str) -> Causes:
    """A resource of a container."""
    causes = key_causes(name, at)
    if not causes and "/" not in name and name not in _STANDARD and not _is_huge(name):
        causes.append(gotext.invalid(at, name, "must be a standard resource type or fully qualified"))
    if "/" not in name:
        if name not in _CONTAINER and not _is_huge(name):
            causes.append(gotext.invalid(at, name, "must be a standard resource for containers"))
    elif not _is_native(name) and (name.startswith("requests.") or qualified_name_errors(f"requests.{name}")):
        causes.append(gotext.invalid(at, name, "doesn't follow extended resource name standard"))
    return causes


def _amount(name: str, amount: Any, at: str) -> Causes:
    number = parse(amount)
    if number < 0:
        return [gotext.invalid(at, amount, NOT_NEGATIVE)]
    if not _is_native(name) and number != int(number):
        return [gotext.invalid(at, amount, "must be an integer")]
    return []


def requirement_causes(resources: Object, at: str, claims: frozenset[str]) -> Causes:
    """`claims` are the pod's resourceClaims."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes: Causes = []
    for name, amount in limits.items():
        causes += name_causes(name, f"{at}.limits[{name}]") + _amount(name, amount, f"{at}.limits[{name}]")
    for name, amount in requests.items():
        place = f"{at}.requests[{name}]"
        causes += name_causes(name, place) + _amount(name, amount, place)
        if name in limits:
            limit = limits[name]
            if not _overcommits(name) and parse(amount) != parse(limit):
                causes.append(
                    gotext.invalid(f"{at}.requests", amount, f"must be equal to {name} limit of {limit}")
                )
            elif parse(amount) > parse(limit):
                why = f"must be less than or equal to {name} limit of {limit}"
                causes.append(gotext.invalid(f"{at}.requests", amount, why))
        elif not _overcommits(name):
            causes.append(
                gotext.required(f"{at}.limits", "Limit must be set for non overcommitable resources")
            )
    named = {*limits, *requests}
    if any(_is_huge(name) for name in named) and not named & {"cpu", "memory"}:
        causes.append(gotext.forbidden(at, "HugePages require cpu or memory"))
    return causes + _claims(resources.get("claims") or (), f"{at}.claims", claims)


def _claims(used: Any, path: str, claims: frozenset[str]) -> Causes:
    causes: Causes = []
    seen: set[str] = set()
    for index, claim in enumerate(used):
        at, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            causes.append(gotext.required(at))
            continue
        key = f"{name}/{claim['request']}" if claim.get("request") else name
        if key in seen or name in seen:
            causes.append(gotext.duplicate(at, key))
        seen.add(key)
        if name not in claims:
            known = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            cause = gotext.not_found(at, name)
            text = f"{cause.message}: must be one of the names in pod.spec.resourceClaims{known}"
            causes.append(type(cause)(cause.field, cause.reason, text))
    return causes

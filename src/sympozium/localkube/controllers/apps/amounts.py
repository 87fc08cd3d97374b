"""Integers or percentages, and what they allow a rolling update of a Deployment."""

from typing import Any

from sympozium.localkube.types import Object


def scaled(value: Any, total: int, *, up: bool) -> int:
    """`5` is 5, `"25%"` that part of `total`, rounded up or down."""
    if isinstance(value, str):
        part = int(value.removesuffix("%")) * total
        return -(-part // 100) if up else part // 100
    return int(value or 0)


def is_rolling(deployment: Object) -> bool:
    return bool(deployment["spec"]["strategy"]["type"] == "RollingUpdate")


def _fence(deployment: Object) -> tuple[int, int]:
    """The values of maxSurge and maxUnavailable; both zero would be a standstill, so one may be missing then."""
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    total = wanted(deployment)
    surge = scaled(rolling.get("maxSurge"), total, up=True)
    missing = scaled(rolling.get("maxUnavailable"), total, up=False)
    return surge, missing if surge or missing else 1


def wanted(workload: Object) -> int:
    """spec.replicas."""
    return int(workload["spec"].get("replicas") or 0)


def max_surge(deployment: Object) -> int:
    return _fence(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    if not is_rolling(deployment) or not wanted(deployment):
        return 0
    return min(_fence(deployment)[1], wanted(deployment))

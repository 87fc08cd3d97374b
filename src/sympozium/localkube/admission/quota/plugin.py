"""The admission plugin: refuses what would exceed a quota, and charges the rest before it is stored.

The charge is written into the quota's status against its revision, so that of two requests for the last place
one gets it. What was charged and then not stored is given back by the next recount.
"""

import time
from collections.abc import Iterable
from typing import Protocol

from sympozium.localkube.admission.amounts import Amounts, amounts
from sympozium.localkube.admission.quota.usage import counts, unsaid, usage, written
from sympozium.localkube.errors import ApiError, conflict, forbidden
from sympozium.localkube.store import Entry, MissingError, StaleError
from sympozium.localkube.types import AdmissionRequest, Object

BUCKET = "/resourcequotas"
TRIES = 16
WAIT = 5.0
"""Seconds in which a charged object is stored, or never."""


class Quotas(Protocol):
    """The part of the store that this needs."""

    def count(self, bucket: str, namespace: str | None = None) -> int: ...

    def scan(self, bucket: str, namespace: str | None = None) -> Iterable[Entry]: ...

    async def update(self, bucket: str, namespace: str, name: str, obj: Object, *, expect: int) -> Entry: ...


class Pending:
    """Objects that are charged and about to be stored: a recount must not forget them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], tuple[Object, float]] = {}

    def add(self, request: AdmissionRequest) -> None:
        assert request.obj is not None
        key = (
            f"{request.group}/{request.resource}",
            request.namespace,
            request.obj["metadata"].get("name", ""),
        )
        self._found[key] = (request.obj, time.monotonic() + WAIT)

    def of(self, bucket: str, namespace: str) -> list[tuple[str, Object]]:
        """(name, object) of those that may still come."""
        now = time.monotonic()
        for key in [key for key, (_, until) in self._found.items() if until < now]:
            del self._found[key]
        return [(key[2], obj) for key, (obj, _) in self._found.items() if key[:2] == (bucket, namespace)]

    def stored(self, bucket: str, namespace: str, name: str) -> None:
        self._found.pop((bucket, namespace, name), None)

    def in_namespace(self, namespace: str) -> bool:
        return any(key[1] == namespace for key in self._found)


class QuotaPlugin:
    def __init__(self, store: Quotas, pending: Pending) -> None:
        self._store = store
        self._pending = pending

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises ApiError 403. Runs last, when nothing else can refuse."""
        if not request.namespace or request.obj is None or not _handled(request):
            return
        if not self._store.count(BUCKET, request.namespace):
            return
        for _ in range(TRIES):
            changed = self._charged(request)
            if request.dry_run or not changed:
                return
            # Before the write: a recount may come between it and the next line.
            self._pending.add(request)
            if await self._write(changed):
                return
        raise conflict(
            "", "resourcequotas", "", "the quota is being changed by too many requests at once; try again"
        )

    async def _write(self, changed: list[tuple[Entry, Object]]) -> bool:
        for entry, quota in changed:
            try:
                await self._store.update(BUCKET, entry.namespace, entry.name, quota, expect=entry.rev)
            except MissingError:
                continue  # it was deleted meanwhile, and limits nothing any more
            except StaleError:
                return False
        return True

    def _charged(self, request: AdmissionRequest) -> list[tuple[Entry, Object]]:
        """The quotas with what this request uses. Raises ApiError 403 for the first that it exceeds."""
        assert request.obj is not None
        used_now = usage(request.group, request.resource, request.obj)
        before = usage(request.group, request.resource, request.old) if request.old is not None else {}
        found: list[tuple[Entry, Object]] = []
        for entry in list(self._store.scan(BUCKET, request.namespace)):
            quota = entry.object
            hard = amounts((quota.get("status") or {}).get("hard"))
            restricted = {name for name in hard if name in used_now or _concerns(request, name)}
            if not restricted or not counts(quota, request.group, request.resource, request.obj):
                continue
            if (request.group, request.resource) == ("", "pods"):
                missing = unsaid(request.obj, restricted)
                if missing:
                    raise _refusal(request, f"failed quota: {entry.name}: must specify {missing}")
            used = amounts((quota.get("status") or {}).get("used"))
            unknown = sorted(restricted - set(used))
            if unknown:
                raise _refusal(
                    request, f"status unknown for quota: {entry.name}, resources: {','.join(unknown)}"
                )
            delta = self._delta(request, quota, used_now, before, hard)
            if delta:
                found.append((entry, _with(quota, entry.name, request, used, hard, delta)))
        return found

    @staticmethod
    def _delta(
        request: AdmissionRequest, quota: Object, now: Amounts, before: Amounts, hard: Amounts
    ) -> Amounts:
        if request.old is not None and counts(quota, request.group, request.resource, request.old):
            now = {name: one - before[name] if name in before else one for name, one in now.items()}
        return {name: one for name, one in now.items() if name in hard and one.value > 0}


def _with(
    quota: Object, name: str, request: AdmissionRequest, used: Amounts, hard: Amounts, delta: Amounts
) -> Object:
    after = {key: used[key] + one for key, one in delta.items()}
    over = {key for key, one in after.items() if one.value > hard[key].value}
    if over:
        parts = (
            f"requested: {written({key: delta[key] for key in over})}",
            f"used: {written({key: used[key] for key in over})}",
            f"limited: {written({key: hard[key] for key in over})}",
        )
        raise _refusal(request, f"exceeded quota: {name}, {', '.join(parts)}")
    quota["status"]["used"] |= {key: str(one) for key, one in after.items()}
    return quota


def _handled(request: AdmissionRequest) -> bool:
    if request.subresource or request.operation not in {"CREATE", "UPDATE"}:
        return False
    if request.operation == "CREATE":
        return True
    return request.group == "" and request.resource in {"services", "persistentvolumeclaims"}


def _concerns(request: AdmissionRequest, name: str) -> bool:
    """Whether a pod that says nothing of a resource is asked about it."""
    return (request.group, request.resource) == ("", "pods") and name in {
        "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory",
    }  # fmt: skip


def _refusal(request: AdmissionRequest, why: str) -> ApiError:
    return forbidden(request.group, request.resource, request.name, why)

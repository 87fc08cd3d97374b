"""The objects that a Kubernetes API has from its first second: namespaces, roles, bindings.

Ensured on each start, through the API itself: what is missing is created, and rules or subjects that
an upgrade added are put in, while what an administrator added stays (the reconciliation that
kube-apiserver does, which `rbac.authorization.kubernetes.io/autoupdate: "false"` switches off).
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, Protocol

from sympozium.localkube.access.bootstraproles import cluster_roles, namespaced_roles
from sympozium.localkube.access.rules import compile_rule, to_object, uncovered
from sympozium.localkube.defaults.scheduling import SYSTEM_CLASSES
from sympozium.localkube.defaults.storage import DEFAULT_CLASS
from sympozium.localkube.types import Object

GROUP = "rbac.authorization.k8s.io"
API = f"/apis/{GROUP}/v1"
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
STANDARD: Object = {
    "metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}},
    "provisioner": "sympozium.ai/local-path",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}
"""A directory of this machine (`controllers.volumes`)."""
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}


class Caller(Protocol):
    """A client of system:masters (`InProcess` is one)."""

    async def request(
        self, method: str, path: str, body: Object | list[Object] | bytes | None = None
    ) -> tuple[int, Object]: ...


class BootstrapError(Exception):
    """The API refused one of its own objects: a bug, or a webhook that refuses everything."""


async def ensure(api: Caller) -> None:
    """Make or complete the bootstrap objects. Raises BootstrapError.

    Those that do not need each other go together: their writes share one commit, and a hundred commits
    would be most of the time until the server is ready.
    """
    await _together(_create(api, "/api/v1/namespaces", {"metadata": {"name": name}}) for name in NAMESPACES)
    await _together(_reconcile(api, path, obj) for path, obj in objects())
    await _together(
        _create(api, "/apis/scheduling.k8s.io/v1/priorityclasses", priority) for priority in priorities()
    )
    await _first_class(api)


async def _together(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them; the first failure in their order is raised when all have ended."""
    for done in await asyncio.gather(*steps, return_exceptions=True):
        if done is not None:
            raise done


def priorities() -> Iterator[Object]:
    """The classes of the cluster's own pods."""
    texts = {
        "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to "
        "another node if necessary.",
        "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
    }
    for name, value in SYSTEM_CLASSES.items():
        yield {"metadata": {"name": name}, "value": value, "description": texts[name]}


async def _first_class(api: Caller) -> None:
    """The StorageClass `standard`, where there is no class at all: who has deleted it for their own keeps it so."""
    path = "/apis/storage.k8s.io/v1/storageclasses"
    code, answer = await api.request("GET", path)
    if code != 200:
        raise BootstrapError(f"{path}: {answer.get('message', code)}")
    if not answer.get("items"):
        await _create(api, path, STANDARD)


def objects() -> Iterator[tuple[str, Object]]:
    """(collection path, object) of all roles and bindings."""
    for role in cluster_roles():
        yield f"{API}/clusterroles", _decorated("ClusterRole", role)
        if role.get("subjects"):
            yield f"{API}/clusterrolebindings", _binding("ClusterRoleBinding", "ClusterRole", role)
    for namespace, role in namespaced_roles():
        base = f"{API}/namespaces/{namespace}"
        yield f"{base}/roles", _decorated("Role", role)
        if role.get("subjects"):
            yield f"{base}/rolebindings", _binding("RoleBinding", "Role", role)


def _decorated(kind: str, role: Object) -> Object:
    meta = role["metadata"]
    out: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {
            "name": meta["name"],
            "labels": {**BOOTSTRAPPING, **meta.get("labels", {})},
            "annotations": {AUTOUPDATE: "true"},
        },
    }
    if "aggregationRule" in role:
        out["aggregationRule"] = role["aggregationRule"]
    return {**out, "rules": role.get("rules", [])}


def _binding(kind: str, role_kind: str, role: Object) -> Object:
    """The binding of a role to its `subjects`, under the role's name."""
    name = role["metadata"]["name"]
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": BOOTSTRAPPING, "annotations": {AUTOUPDATE: "true"}},
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": name},
        "subjects": [_subject(subject) for subject in role["subjects"]],
    }


def _subject(text: str) -> Object:
    """`Group/x`, `User/x` or `ServiceAccount/namespace/x`."""
    kind, _, name = text.partition("/")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "namespace": namespace, "name": account}
    return {"kind": kind, "apiGroup": GROUP, "name": name}


async def _create(api: Caller, path: str, obj: Object) -> None:
    code, answer = await api.request("POST", path, obj)
    if code not in {201, 409}:
        raise BootstrapError(f"{path} {obj['metadata']['name']}: {answer.get('message', code)}")


async def _reconcile(api: Caller, path: str, obj: Object) -> None:
    item = f"{path}/{obj['metadata']['name']}"
    code, current = await api.request("GET", item)
    if code == 404:
        await _create(api, path, obj)
        return
    if code != 200:
        raise BootstrapError(f"{item}: {current.get('message', code)}")
    merged = completed(current, obj)
    if merged is not None:
        code, answer = await api.request("PUT", item, merged)
        if code != 200:
            raise BootstrapError(f"{item}: {answer.get('message', code)}")


def completed(current: Object, wanted: Object) -> Object | None:
    """`current` with what it lacks of `wanted`, or None when it lacks nothing or must be left alone."""
    if (current["metadata"].get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    changed = dict(current)
    if "subjects" in wanted:
        have = {_identity(subject) for subject in current.get("subjects") or ()}
        missing = [subject for subject in wanted["subjects"] if _identity(subject) not in have]
        changed["subjects"] = [*(current.get("subjects") or ()), *missing]
        return changed if missing else None
    if "aggregationRule" in wanted:
        return None
    lacking = _uncovered(current.get("rules") or (), wanted["rules"])
    changed["rules"] = [*(current.get("rules") or ()), *lacking]
    return changed if lacking else None


def _uncovered(have: Iterable[Object], wanted: Iterable[Object]) -> list[Object]:
    return [to_object(part) for part in uncovered([compile_rule(r) for r in have], map(compile_rule, wanted))]


def _identity(subject: Object) -> tuple[str, str, str]:
    return subject.get("kind", ""), subject.get("namespace", ""), subject.get("name", "")

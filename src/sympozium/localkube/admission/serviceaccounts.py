"""A pod's ServiceAccount: that it exists, and the volume with its token.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
A namespace's `default` account is made by a controller a moment after the namespace. A pod that
comes in that moment waits for it, since its author could do nothing else.
"""

import asyncio
import secrets

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.errors import forbidden
from sympozium.localkube.types import AdmissionRequest, Object

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
DEFAULT_WAIT = 1.0
"""Seconds that a pod waits for its namespace's `default` account."""


class ServiceAccountAdmission:
    """The plugin; it follows ServiceAccounts to be able to wait for one."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._waiting: dict[tuple[str, str], list[asyncio.Future[None]]] = {}
        objects.subscribe("", "serviceaccounts", self._changed)

    async def mutate(self, request: AdmissionRequest) -> None:
        """Changes `request.obj` of a pod that is being created; safe to call again after webhooks.

        Raises ApiError 403 when the account does not exist.
        """
        if (request.group, request.resource, request.subresource) != ("", "pods", ""):
            return
        pod = request.obj
        if request.operation != "CREATE" or pod is None:
            return
        spec = pod["spec"]
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(request.namespace, name, pod)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]
        if _wants_token(spec, account):
            mount_token(spec)

    async def _account(self, namespace: str, name: str, pod: Object) -> Object:
        account = self._objects.get("", "serviceaccounts", namespace, name)
        if account is None and name == "default":
            account = await self._wait(namespace, name)
        if account is None:
            meta = pod["metadata"]
            raise forbidden(
                "",
                "pods",
                meta.get("name") or meta.get("generateName", ""),
                f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found',
            )
        return account

    async def _wait(self, namespace: str, name: str) -> Object | None:
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault((namespace, name), [])
        waiting.append(future)
        try:
            async with asyncio.timeout(DEFAULT_WAIT):
                await future
        except TimeoutError:
            return None
        finally:
            waiting.remove(future)
            if not waiting:
                self._waiting.pop((namespace, name), None)
        return self._objects.get("", "serviceaccounts", namespace, name)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        if new is None or old is not None:
            return
        meta = new["metadata"]
        for future in self._waiting.get((meta["namespace"], meta["name"]), ()):
            if not future.done():
                future.set_result(None)


def _wants_token(spec: Object, account: Object) -> bool:
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def mount_token(spec: Object) -> None:
    """Mounts the token volume into each container that has nothing at its path, once."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    lacking = [
        container
        for container in containers
        if not any(mount.get("mountPath") == MOUNT_PATH for mount in container.get("volumeMounts") or ())
    ]
    if not lacking:
        return
    volumes = spec.get("volumes") or []
    name = next((v["name"] for v in volumes if v["name"].startswith(VOLUME_PREFIX)), "")
    if not name:
        name = VOLUME_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(5))
        spec["volumes"] = [*volumes, token_volume(name)]
    for container in lacking:
        mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]


def token_volume(name: str) -> Object:
    """Token, CA and namespace as one projected volume."""
    sources: list[Object] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {
                        "path": "namespace",
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    }
                ]
            }
        },
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}

"""What a controller may do: requests through the same chain as HTTP, under its own identity.

`Api` is the transport that `localkube.client.InProcess` satisfies. `Client` binds it to one
user and turns refusals into `ApiError`, so that controllers read like any client of Kubernetes.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol
from urllib.parse import quote

from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object, UserInfo

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Api(Protocol):
    """An API server in this process."""

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        user: UserInfo | None = None,
    ) -> tuple[int, Object]:
        """Returns the status code and the object (a Status when it was refused)."""
        ...

    def watch(
        self, path: str, *, query: Mapping[str, str] | None = None, user: UserInfo | None = None
    ) -> AsyncIterator[Object]:
        """Events `{"type": ..., "object": ...}` until the server ends the watch.

        A refused watch gives one ERROR event whose object is the Status.
        """
        ...


class Client:
    """One controller's view of the API."""

    def __init__(self, api: Api, controller: str, *, user: UserInfo | None = None) -> None:
        """`controller` is a ServiceAccount name of kube-system, unless `user` says otherwise."""
        self.api = api
        self.user = user or UserInfo(
            username=f"system:serviceaccount:kube-system:{controller}",
            groups=(
                "system:serviceaccounts",
                "system:serviceaccounts:kube-system",
                "system:authenticated",
            ),
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Raises ApiError when the answer is a failure."""
        code, answer = await self.api.request(
            method, path, body, query=query, content_type=content_type, user=self.user
        )
        if code >= 400:
            raise failure(code, answer)
        return answer

    async def get(self, path: str) -> Object:
        return await self.call("GET", path)

    async def find(self, path: str) -> Object | None:
        """None when it does not exist."""
        try:
            return await self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def create(self, path: str, obj: Object) -> Object:
        return await self.call("POST", path, obj)

    async def put(self, path: str, obj: Object) -> Object:
        return await self.call("PUT", path, obj)

    async def merge(self, path: str, patch: Object) -> Object:
        return await self.call("PATCH", path, patch, content_type=MERGE_PATCH)

    async def delete(
        self, path: str, *, uid: str = "", policy: str = "Background", grace: int | None = None
    ) -> None:
        """Delete, with the uid as precondition. An object that is gone or another one is not an error."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self.call("DELETE", path, options)
        except ApiError as error:
            if error.code != 404 and not (error.code == 409 and uid):
                raise


def failure(code: int, status: Object) -> ApiError:
    """The ApiError that a Status object stands for."""
    return ApiError(
        code,
        str(status.get("message", f"HTTP {code}")),
        reason=str(status.get("reason", "")),
        details=status.get("details"),
    )


def path_of(api_version: str, resource: str, namespace: str = "", name: str = "", sub: str = "") -> str:
    """`/apis/batch/v1/namespaces/ns/jobs/name/status`; empty parts are left out."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    parts = [root]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource)
    if name:
        parts.append(quote(name, safe=""))
    if sub:
        parts.append(sub)
    return "/".join(parts)

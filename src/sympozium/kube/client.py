"""Requests to a Kubernetes API: dictionaries in, dictionaries out, errors as types of `kube.errors`.

A thin layer over one httpx2 session. 429 answers are waited out as the server asks (API Priority and
Fairness), a few times; everything else is for the caller, whose work queue backs off.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx2
import orjson

from sympozium.kube import kubeconfig
from sympozium.kube.errors import InvalidError, NotFoundError, UnreachableError, from_status
from sympozium.kube.kubeconfig import Access
from sympozium.kube.resources import SERVICE_ACCOUNTS, Object, Objects, Resource

PatchKind = Literal["json", "merge", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]

_PATCH_TYPES: Final = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_APPLY: Final = "application/apply-patch+yaml"
_PAGE: Final = 500
_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)
_TOO_MANY_TRIES: Final = 5
# RFC 7234, 5.5: code, agent, quoted text, perhaps a date.
_WARNING: Final = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


class Client:
    """One identity at one API server. `async with`, or `await close()`.

    `field_manager` names this writer in `managedFields`. Every method raises UnreachableError when there is
    no answer, and the ApiError that fits when the answer is a refusal. `on_warning` is called with each warning
    that the server gives with an answer, as its admission webhooks do.
    """

    on_warning: Callable[[str], None] | None = None

    def __init__(
        self, access: Access, *, field_manager: str = "sympozium", user_agent: str | None = None
    ) -> None:
        self.access = access
        self.namespace = access.namespace
        self.field_manager = field_manager
        self._auth: httpx2.Auth | None = None
        self._http = httpx2.AsyncClient(
            base_url=access.server,
            verify=access.tls(),
            auth=access.auth(),
            headers={"User-Agent": user_agent or field_manager, "Accept": "application/json"},
            timeout=_TIMEOUT,
            # Watches hold their connections for minutes; they must not starve the requests beside them.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60),
            trust_env=False,
        )

    @classmethod
    def connect(cls, path: Path | None = None, *, field_manager: str = "sympozium") -> Self:
        """A client for the kubeconfig that kubectl would find. Raises ConfigError; connects lazily."""
        return cls(kubeconfig.load(path), field_manager=field_manager)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    def acting_as(self, auth: httpx2.Auth, *, field_manager: str | None = None) -> Self:
        """This client for somebody else: the same connections, each request with the credentials of `auth`.

        It is closed with the client that it came from. A client certificate belongs to the connection and would
        go on speaking for us: an identity that has one can lend nothing.
        """
        assert "client-certificate" not in self.access.user, "a client certificate is of the connection"
        assert "client-certificate-data" not in self.access.user, "a client certificate is of the connection"
        other = copy.copy(self)
        other._auth = auth  # noqa: SLF001 - a copy of ourselves
        other.field_manager = field_manager or self.field_manager
        other.on_warning = None
        return other

    # -- reading

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object. Raises NotFoundError."""
        return await self.request("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None."""
        try:
            return await self.get(resource, name, namespace)
        except NotFoundError:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Objects:
        """All objects of a namespace, or of all namespaces; `labels` and `fields` are selectors."""
        items, _ = await self.list_at(resource, namespace, labels=labels, fields=fields)
        return items

    async def list_at(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[Objects, str]:
        """The objects, and the resourceVersion at which a watch goes on. Read in pages of one snapshot.

        Raises ExpiredError when the snapshot was compacted between two pages: list again.
        """
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields, "continue": ""}
        items: Objects = []
        while True:
            page = await self.request("GET", resource.path(namespace), query=query)
            for item in page.get("items") or ():
                # Items of a list carry no type of their own.
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
                items.append(item)
            meta = page.get("metadata") or {}
            query["continue"] = meta.get("continue") or ""
            if not query["continue"]:
                return items, str(meta.get("resourceVersion") or "")

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str | None = None, *, query: Mapping[str, str], idle: float
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """The events of one watch request: `{"type": ..., "object": ...}`.

        Ends when the server ends it; raises UnreachableError when it breaks or is silent for `idle` seconds.
        An `ERROR` event is raised as its ApiError. Leaving the block closes the request.
        """
        parameters = {"watch": "true", "allowWatchBookmarks": "true", **query}
        request = self._http.build_request(
            "GET",
            resource.path(namespace),
            params=parameters,
            timeout=httpx2.Timeout(30.0, connect=10.0, read=idle),
        )
        response = await self._send(request, stream=True)
        try:
            if response.status_code >= 400:
                await response.aread()
                raise from_status(response.status_code, _decoded(response), response.text)
            yield _events(response)
        finally:
            await response.aclose()

    # -- writing

    async def create(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Raises AlreadyExistsError. The namespace is the object's own when none is given."""
        query = {**self._manager(), **({"dryRun": "All"} if dry_run else {})}
        return await self.request(
            "POST", resource.path(_namespace(resource, obj, namespace)), body=obj, query=query
        )

    async def update(
        self, resource: Resource, obj: Mapping[str, Any], *, subresource: str | None = None
    ) -> Object:
        """Replace an object; its resourceVersion makes it a compare-and-swap. Raises ConflictError."""
        path = resource.path(_namespace(resource, obj, None), obj["metadata"]["name"], subresource)
        return await self.request("PUT", path, body=obj, query=self._manager())

    async def apply(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        *,
        subresource: str | None = None,
        force: bool = True,
        manager: str | None = None,
    ) -> Object:
        """Server-side apply: what `obj` names is ours from now on, what it no longer names is given up.

        Creates the object when it is not there. `force` takes fields from other managers, as controllers
        should. https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """
        path = resource.path(_namespace(resource, obj, None), obj["metadata"]["name"], subresource)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        query = {"fieldManager": manager or self.field_manager, "force": "true" if force else "false"}
        return await self.request("PATCH", path, body=body, query=query, content_type=_APPLY)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        kind: PatchKind = "merge",
        subresource: str | None = None,
    ) -> Object:
        """A JSON, merge or strategic merge patch. `metadata.resourceVersion` in a merge patch is a condition."""
        path = resource.path(namespace, name, subresource)
        return await self.request(
            "PATCH", path, body=patch, query=self._manager(), content_type=_PATCH_TYPES[kind]
        )

    async def patch_status(self, resource: Resource, obj: Object, status: Mapping[str, Any]) -> Object:
        """Merge `status` into the status of the object as it was read: a newer one raises ConflictError.

        A value of None removes its field; lists are replaced whole.
        """
        meta = obj["metadata"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": dict(status)}
        return await self.patch(resource, meta["name"], meta.get("namespace"), patch, subresource="status")

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
        grace: int | None = None,
    ) -> bool:
        """False when it was not there. `uid` protects a successor of the same name (raises ConflictError)."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            await self.request("DELETE", resource.path(namespace, name), body=body)
        except NotFoundError:
            return False
        return True

    async def token(
        self, namespace: str, service_account: str, *, seconds: int, bound_to: Object | None = None
    ) -> tuple[str, str]:
        """A token of a ServiceAccount, and when it expires (RFC 3339).

        `bound_to` (a Secret or Pod as read from the API) makes it die with that object.
        https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
        """
        spec: Object = {"expirationSeconds": seconds}
        if bound_to is not None:
            spec["boundObjectRef"] = {
                "apiVersion": bound_to["apiVersion"],
                "kind": bound_to["kind"],
                "name": bound_to["metadata"]["name"],
                "uid": bound_to["metadata"]["uid"],
            }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = SERVICE_ACCOUNTS.path(namespace, service_account, "token")
        status = (await self.request("POST", path, body=body))["status"]
        return status["token"], status["expirationTimestamp"]

    # -- below all of them

    def _manager(self) -> dict[str, str]:
        return {"fieldManager": self.field_manager}

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """Any request; returns the decoded answer. Empty query values are left out."""
        try:
            content = None if body is None else orjson.dumps(body)
        except orjson.JSONEncodeError as exc:  # half of a surrogate pair, a number beyond 64 bits
            raise InvalidError(400, "BadRequest", f"the body cannot be written as JSON: {exc}") from exc
        headers = {"Accept": accept} if body is None else {"Accept": accept, "Content-Type": content_type}
        parameters = {key: value for key, value in (query or {}).items() if value != ""}
        for attempt in range(_TOO_MANY_TRIES):
            request = self._http.build_request(
                method, path, params=parameters, content=content, headers=headers
            )
            response = await self._send(request)
            decoded = _decoded(response)
            # An eviction that a budget forbids is 429 too, without the header: that one is not ours to wait out.
            wait = response.headers.get("Retry-After") if response.status_code == 429 else None
            if wait and wait.isdecimal() and attempt < _TOO_MANY_TRIES - 1:
                await asyncio.sleep(float(wait))
                continue
            if response.status_code >= 400 or not isinstance(decoded, dict):
                raise from_status(response.status_code, decoded, response.text)
            self._pass_on_warnings(response)
            return decoded
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pass_on_warnings(self, response: httpx2.Response) -> None:
        if self.on_warning is None:
            return
        for words in warnings_of(response.headers.get("Warning", "")):
            self.on_warning(words)

    async def _send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        try:
            if self._auth is not None:
                return await self._http.send(request, stream=stream, auth=self._auth)
            return await self._http.send(request, stream=stream)
        except httpx2.HTTPError as exc:
            raise UnreachableError(f"{request.method} {request.url}: {_words(exc)}") from exc


def warnings_of(header: str) -> list[str]:
    """The texts of a header `Warning`, which may hold several."""
    return [re.sub(r"\\(.)", r"\1", found[1]) for found in _WARNING.finditer(header)]


def _namespace(resource: Resource, obj: Mapping[str, Any], namespace: str | None) -> str | None:
    if not resource.namespaced:
        return None
    found = namespace or obj["metadata"].get("namespace")
    assert found, f"{resource.title} {obj['metadata'].get('name')}: namespace is missing"
    return str(found)


def _decoded(response: httpx2.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def _words(error: BaseException) -> str:
    """The text of an error of httpx2: they often have none of their own, and their cause does."""
    return str(error) or str(error.__cause__ or "") or type(error).__name__


async def _events(response: httpx2.Response) -> AsyncIterator[Object]:
    pending = b""
    try:
        async for chunk in response.aiter_bytes():
            # Lines are split on bytes: a chunk may end within a character, and a big object spans many chunks.
            lines = (pending + chunk).split(b"\n")
            pending = lines.pop()
            for line in lines:
                if not line.strip():
                    continue
                event: Object = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(int(event["object"].get("code") or 500), event["object"])
                yield event
    except httpx2.HTTPError as exc:
        raise UnreachableError(f"watch {response.url.path} broke: {_words(exc)}") from exc
    except orjson.JSONDecodeError as exc:
        raise UnreachableError(f"watch {response.url.path}: a line is not JSON: {exc}") from exc

"""A small synchronous client for tests: objects are plain dictionaries, waiting is a watch.

It is not the control plane's own client, so that a test does not share that client's mistakes.
"""

import json
import ssl
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from sympozium.kube.resources import Resource

Object = dict[str, Any]


class ApiError(Exception):
    """The server's Status: `code`, `reason` and the whole `status` object."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message", json.dumps(status)))
        self.status = status
        self.code: int = status.get("code", 0)
        self.reason: str = status.get("reason", "")


class WaitTimeoutError(AssertionError):
    """A condition did not come true in time; the text holds the last state of the object."""


def phase(obj: Object | None) -> str:
    """`status.phase`, or the empty string."""
    return str(((obj or {}).get("status") or {}).get("phase", ""))


class Client:
    """Speaks to the API server of a kubeconfig. `namespace` is the default of the calls below."""

    def __init__(self, kubeconfig: Path, *, namespace: str = "default") -> None:
        server, context, headers = _access(kubeconfig)
        self.namespace = namespace
        self.http = httpx2.Client(
            base_url=server, verify=context, headers=headers, timeout=30, trust_env=False
        )

    def close(self) -> None:
        self.http.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        **params: str,
    ) -> Any:
        """The decoded answer. Raises ApiError for any Status of failure."""
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type} if content is not None else {}
        answer = self.http.request(method, path, content=content, headers=headers, params=params)
        try:
            decoded = answer.json()
        except ValueError:
            decoded = {"message": answer.text, "code": answer.status_code}
        if answer.status_code >= 400:
            raise ApiError(decoded)
        return decoded

    def resource_of(self, obj: Object) -> Resource:
        """Where objects of this apiVersion and kind live. Raises ValueError when the server does not serve it."""
        from sympozium.testing.resources import BY_KIND

        known = BY_KIND.get(obj["kind"])
        if known is not None and known.api_version == obj["apiVersion"]:
            return known
        group, _, version = obj["apiVersion"].rpartition("/")
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            served = self.request("GET", root)["resources"]
        except ApiError as failure:
            raise ValueError(f"{root}: {failure}") from failure
        for item in served:
            if item["kind"] == obj["kind"] and "/" not in item["name"]:
                return Resource(group, version, item["name"], item["kind"], namespaced=item["namespaced"])
        raise ValueError(f"the server has no kind {obj['kind']} in {obj['apiVersion']}")

    def _in(self, namespace: str | None) -> str:
        return namespace or self.namespace

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        found: Object = self.request("GET", resource.path(self._in(namespace), name))
        return found

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Like `get`, None where there is none."""
        try:
            return self.get(resource, name, namespace)
        except ApiError as failure:
            if failure.code == 404:
                return None
            raise

    def items(self, resource: Resource, namespace: str | None = None, **params: str) -> list[Object]:
        """`namespace` "*" spans all namespaces; `params` such as labelSelector go to the server."""
        where = None if namespace == "*" else self._in(namespace)
        found: list[Object] = self.request("GET", resource.path(where), **params)["items"]
        return found

    def create(self, obj: Object, namespace: str | None = None) -> Object:
        resource = self.resource_of(obj)
        where = obj["metadata"].get("namespace") or self._in(namespace)
        made: Object = self.request("POST", resource.path(where), obj, fieldValidation="Strict")
        return made

    def apply(self, documents: str | Object, namespace: str | None = None) -> list[Object]:
        """Server-side apply of YAML text or of one object; returns what the server made of it."""
        objects = (
            [documents] if isinstance(documents, dict) else [d for d in yaml.safe_load_all(documents) if d]
        )
        return [self._apply_one(obj, namespace) for obj in objects]

    def _apply_one(self, obj: Object, namespace: str | None) -> Object:
        resource = self.resource_of(obj)
        where = obj["metadata"].get("namespace") or self._in(namespace)
        path = resource.path(where, obj["metadata"]["name"])
        applied: Object = self.request(
            "PATCH", path, obj, content_type="application/apply-patch+yaml", fieldManager="test", force="true",
            fieldValidation="Strict",
        )  # fmt: skip
        return applied

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: Object,
        namespace: str | None = None,
        *,
        subresource: str = "",
    ) -> Object:
        """Merge patch."""
        path = resource.path(self._in(namespace), name, subresource or None)
        patched: Object = self.request("PATCH", path, patch, content_type="application/merge-patch+json")
        return patched

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        self.request("DELETE", resource.path(self._in(namespace), name), {"propagationPolicy": "Background"})

    def wait(
        self,
        resource: Resource,
        name: str,
        condition: Callable[[Object], bool],
        namespace: str | None = None,
        *,
        timeout: float = 60,
    ) -> Object:
        """Watch one object until `condition` holds; it need not exist yet. Raises WaitTimeoutError."""
        return self.wait_any(
            resource, condition, namespace, timeout=timeout, what=f"{resource.kind} {name}",
            fieldSelector=f"metadata.name={name}",
        )  # fmt: skip

    def wait_any(
        self,
        resource: Resource,
        condition: Callable[[Object], bool],
        namespace: str | None = None,
        *,
        timeout: float = 60,
        what: str = "",
        **params: str,
    ) -> Object:
        """Watch a collection until `condition` holds for one of its objects, and return that."""
        where = None if namespace == "*" else self._in(namespace)
        last: Object | None = None
        for event in self._events(resource.path(where), timeout, params):
            last = event["object"]
            if event["type"] in ("ADDED", "MODIFIED") and last is not None and condition(last):
                return last
        state = json.dumps({k: v for k, v in (last or {}).items() if k != "metadata"}, indent=1)
        raise WaitTimeoutError(
            f"{what or resource.kind}: condition not met within {timeout:.0f} s; last state: {state}"
        )

    def wait_gone(
        self, resource: Resource, name: str, namespace: str | None = None, *, timeout: float = 60
    ) -> None:
        """Watch until the object does not exist. Raises WaitTimeoutError."""
        path = resource.path(self._in(namespace))
        listed = self.request("GET", path, fieldSelector=f"metadata.name={name}")
        if not listed["items"]:
            return
        params = {
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": listed["metadata"]["resourceVersion"],
        }
        for event in self._events(path, timeout, params):
            if event["type"] == "DELETED":
                return
        raise WaitTimeoutError(f"{resource.kind} {name} still exists after {timeout:.0f} s")

    def _events(self, path: str, timeout: float, params: dict[str, str]) -> Iterator[Object]:
        """Watch events until the bound; a stream that ends early (a restarted server) is opened anew."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            query = {"watch": "true", "timeoutSeconds": str(max(1, int(left))), **params}
            try:
                with self.http.stream(
                    "GET", path, params=query, timeout=httpx2.Timeout(60, read=left + 1)
                ) as stream:
                    if stream.status_code >= 400:
                        raise ApiError(json.loads(stream.read()))
                    for line in stream.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            raise ApiError(event["object"])
                        yield event
            except httpx2.TransportError:
                # The server is down or restarting: the bound above ends this.
                if end - time.monotonic() <= 0:
                    return


def _access(kubeconfig: Path) -> tuple[str, ssl.SSLContext, dict[str, str]]:
    """Server URL, TLS context and headers of the current context."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    authority = cluster.get("certificate-authority-data")
    tls = (
        ssl.create_default_context(cadata=b64decode(authority).decode())
        if authority
        else ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    )
    if "client-certificate-data" in user:
        with _files(b64decode(user["client-certificate-data"]), b64decode(user["client-key-data"])) as (
            cert,
            key,
        ):
            tls.load_cert_chain(cert, key)
    elif "client-certificate" in user:
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if "tokenFile" in user else "")
    return cluster["server"], tls, {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def _files(*contents: bytes) -> Iterator[list[str]]:
    """OpenSSL reads certificates from files alone."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for number, content in enumerate(contents):
            path = Path(directory, str(number))
            path.touch(mode=0o600)
            path.write_bytes(content)
            paths.append(str(path))
        yield paths

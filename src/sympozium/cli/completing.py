"""Names out of the cluster for a word that is being typed.

Between two key strokes there is no time for an HTTP library, an event loop or models: one plain connection, lists without
the objects around them, a bound for all of it. What does not work (no cluster, no rights, no time) gives no names. A
kubeconfig whose credential plugin makes the token gives none either: plugins take seconds, and may ask people things.
"""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

from sympozium.cli.completion import KIND, NAME, NAMESPACE
from sympozium.cli.place import own_kubeconfig
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.kube.errors import ConfigError
from sympozium.kube.kubeconfig import Access, load

SECONDS: Final = 0.5
_MOST: Final = 500
_OURS: Final = "/apis/sympozium.ai/v1alpha1"
_GROUPS: Final = (_OURS, "/api/v1", "/apis/apps/v1", "/apis/batch/v1")
_ACCEPT: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


def names(source: str, params: Mapping[str, Any]) -> list[str]:
    """What `source` (of `completion.SOURCES`) has for a command with these parameters so far; empty for any failure."""
    try:
        access = load(own_kubeconfig())
        with _Api(access) as api:
            return _of(
                api, source, params.get("namespace") or access.namespace, str(params.get("kind") or "")
            )
    except (ConfigError, OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return []


class _Api:
    """One connection, which is given up by whoever is late."""

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.server)
        host, self._prefix = parts.hostname or "", parts.path.rstrip("/")
        self._end = time.monotonic() + SECONDS
        self._headers = {"Accept": _ACCEPT}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"
        self._http: http.client.HTTPConnection
        if parts.scheme == "https":
            self._http = http.client.HTTPSConnection(host, parts.port, timeout=SECONDS, context=access.tls())
        else:
            self._http = http.client.HTTPConnection(host, parts.port, timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        """Empty for an answer of failure. Raises OSError, HTTPException, ValueError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._http.sock is not None:
            self._http.sock.settimeout(left)
        self._http.request("GET", self._prefix + path, headers=self._headers)
        response = self._http.getresponse()
        body = response.read()
        found = json.loads(body) if response.status == 200 else {}
        return found if isinstance(found, dict) else {}

    def names(self, path: str) -> list[str]:
        items = self.get(f"{path}?limit={_MOST}").get("items") or ()
        return [str(item["metadata"]["name"]) for item in items]


def _of(api: _Api, source: str, namespace: str, kind: str) -> list[str]:
    here = f"{_OURS}/namespaces/{quote(namespace, safe='')}"
    if source == NAMESPACE:
        return api.names("/api/v1/namespaces")
    if source == KIND:
        return [name for group in _GROUPS for name, *_ in _served(api, group)]
    if source == NAME:
        return _objects(api, kind, namespace)
    if source == "packs":
        return [
            *api.names(f"{_OURS}/namespaces/{SYSTEM_NAMESPACE}/personapacks"),
            *api.names(f"{here}/personapacks"),
        ]
    return api.names(f"{here}/{source}")


def _served(api: _Api, group: str) -> list[tuple[str, bool, set[str]]]:
    """(plural, namespaced, all names that it answers to) of each resource."""
    return [
        (
            r["name"],
            r["namespaced"],
            {r["name"], r.get("singularName", ""), r["kind"].lower(), *(r.get("shortNames") or ())},
        )
        for r in api.get(group).get("resources") or ()
        if "/" not in r["name"]
    ]


def _objects(api: _Api, kind: str, namespace: str) -> list[str]:
    word = kind.lower().partition(".")[0]
    for group in _GROUPS:
        for plural, namespaced, called in _served(api, group):
            if word in called:
                scope = f"/namespaces/{quote(namespace, safe='')}" if namespaced else ""
                return api.names(f"{group}{scope}/{plural}")
    return []

"""Another Kubernetes API in the place of localkube: SYMPOZIUM_TEST_KUBECONFIG names its administrator.

It must be there for these tests alone: whatever is not Kubernetes' own is deleted before each module of tests.
It must have been started with `--token-auth-file` on what `cd tests && python -m cluster.external` prints, which is also how
it is told from a cluster that somebody needs. docs/real-cluster.md says how to get one.
"""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import httpx2
import pytest

from sympozium.kube.kubeconfig import load
from sympozium.testing.client import ApiError, Client
from sympozium.testing.kube import KubeAPI, KubeProcess
from sympozium.testing.waiting import until

EXTERNAL = os.environ.get("SYMPOZIUM_TEST_KUBECONFIG", "")
MARK = "admin-token"
"""A token that no cluster of somebody's own knows."""
CLUSTER_WIDE = (
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/node.k8s.io/v1/runtimeclasses",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "/api/v1/persistentvolumes",
    "/api/v1/nodes",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
)
HOOKS = (
    "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicybindings",
    "validatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingadmissionpolicies",
)  # fmt: skip
KEPT = {"kubernetes", "kube-root-ca.crt", "default"}
"""Of the namespace `default`: made by the server, its CA and its ServiceAccount."""
BOOTSTRAP = "kubernetes.io/bootstrapping"


class Borrowed(KubeProcess):
    """A server that is not ours: a test that would end it or look into its files is skipped."""

    def __init__(self, directory: Path) -> None:
        access = load(Path(EXTERNAL))
        self.url = access.server
        self._authority = directory / "external-ca.crt"
        self._authority.parent.mkdir(parents=True, exist_ok=True)
        self._authority.write_bytes(access.ca or b"")

    @property
    def kubeconfig(self) -> Path:
        return Path(EXTERNAL)

    @property
    def authority(self) -> Path:
        return self._authority

    def start(self) -> str:
        with contextlib.closing(Client(self.kubeconfig)) as client:
            clear(client, self.url)
        return self.url

    def stop(self) -> int:
        return 0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        not_ours()

    def __getattr__(self, name: str) -> Any:
        if name in ("data", "log", "pid"):
            not_ours()
        raise AttributeError(name)


class BorrowedAPI(KubeAPI):
    def __init__(self, directory: Path) -> None:
        self.process = Borrowed(directory)
        self.process.start()
        Client.__init__(self, self.process.kubeconfig)


def not_ours(
    what: str = "the server of SYMPOZIUM_TEST_KUBECONFIG is not ours to end or to look into",
) -> NoReturn:
    pytest.skip(f"about localkube itself: {what}")


def kube_api(directory: Path, users: str) -> KubeAPI:
    """The embedded API in a directory with these users, or the other one, emptied."""
    if EXTERNAL:
        return BorrowedAPI(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tokens = directory / "users.csv"
    tokens.write_text(users)
    return KubeAPI(directory / "data", token_auth_file=tokens)


def clear(client: Client, url: str) -> None:
    """Delete all that tests have left. Refuses a server that does not know the tests' users."""
    with httpx2.Client(base_url=url, verify=False, trust_env=False, timeout=60) as http:
        known = http.get("/api/v1/nodes", headers={"Authorization": f"Bearer {MARK}"}).status_code
    if known != 200:
        pytest.exit(f"{EXTERNAL}: a cluster without the users of the tests is not for them: {__doc__}", 2)
    for plural in HOOKS:
        root = f"/apis/admissionregistration.k8s.io/v1/{plural}"
        with contextlib.suppress(ApiError):  # An older server does not have them all.
            client.request("DELETE", root)
    _clear_customs(client)
    for pod in client.request("GET", "/api/v1/pods")["items"]:
        _gone(client, _path("/api/v1", "pods", pod), gracePeriodSeconds="0")
    _clear_default(client)
    for root in CLUSTER_WIDE:
        for obj in client.request("GET", root)["items"]:
            meta = obj["metadata"]
            if BOOTSTRAP not in (meta.get("labels") or {}) and not meta["name"].startswith("system"):
                _gone(client, f"{root}/{meta['name']}")
    for namespace in client.request("GET", "/api/v1/namespaces")["items"]:
        if _foreign(namespace):
            _gone(client, f"/api/v1/namespaces/{namespace['metadata']['name']}")
    until(
        lambda: not any(map(_foreign, client.request("GET", "/api/v1/namespaces")["items"])),
        "the namespaces of earlier tests are gone", timeout=90,
    )  # fmt: skip


def _foreign(namespace: dict[str, Any]) -> bool:
    name = str(namespace["metadata"]["name"])
    return name != "default" and not name.startswith("kube-")


def _clear_customs(client: Client) -> None:
    """The kinds and their objects; nobody is there any more to take the finalizers off."""
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    crds = client.request("GET", root)["items"]
    for crd in crds:
        spec = crd["spec"]
        group = f"/apis/{spec['group']}/{next(v['name'] for v in spec['versions'] if v['storage'])}"
        plural = spec["names"]["plural"]
        for obj in _objects(client, f"{group}/{plural}"):
            if obj["metadata"].get("finalizers"):
                patch = {"metadata": {"finalizers": None}}
                with contextlib.suppress(ApiError):  # Gone meanwhile.
                    client.request(
                        "PATCH", _path(group, plural, obj), patch, content_type="application/merge-patch+json"
                    )
        _gone(client, f"{root}/{crd['metadata']['name']}")
    until(lambda: not client.request("GET", root)["items"], "the kinds of earlier tests are gone", timeout=60)
    groups = {crd["spec"]["group"] for crd in crds}
    until(
        lambda: not groups & {group["name"] for group in client.request("GET", "/apis")["groups"]},
        "the kinds of earlier tests are no longer served", timeout=60,
    )  # fmt: skip


def _objects(client: Client, root: str) -> list[dict[str, Any]]:
    """Of a kind, that may never have been established or is still being prepared."""
    found: list[dict[str, Any]] = []

    def listed() -> bool:
        try:
            found[:] = client.request("GET", root)["items"]
        except ApiError as failure:
            if failure.code not in (404, 429):
                raise
            return failure.code == 404
        return True

    until(listed, f"{root} is served")
    return found


def _clear_default(client: Client) -> None:
    """What tests made in the namespace that cannot be deleted."""
    groups = [
        "/api/v1",
        *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in client.request("GET", "/apis")["groups"]),
    ]
    for group in groups:
        for kind in client.request("GET", group)["resources"]:
            if not kind["namespaced"] or not {"list", "delete"} <= set(kind["verbs"]):
                continue
            root = f"{group}/namespaces/default/{kind['name']}"
            for obj in client.request("GET", root)["items"]:
                if obj["metadata"]["name"] not in KEPT:
                    _gone(client, f"{root}/{obj['metadata']['name']}")


def _path(group: str, plural: str, obj: dict[str, Any]) -> str:
    meta = obj["metadata"]
    where = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    return f"{group}{where}/{plural}/{meta['name']}"


def _gone(client: Client, path: str, **params: str) -> None:
    try:
        client.request("DELETE", path, {"propagationPolicy": "Background"}, **params)
    except ApiError as failure:
        if failure.code != 404:
            raise


def main() -> None:
    """Print the token file of all users that the tests speak as."""
    from cluster import api_server, localkube_fixture
    from sympozium.testing import kube

    lines = f"{kube.USERS}{localkube_fixture.USERS}{api_server.USERS}".splitlines()
    print("\n".join(dict.fromkeys(lines)))


if __name__ == "__main__":
    main()

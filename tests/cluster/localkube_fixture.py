"""localkube alone, as a process: for tests of its controllers and its access."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from cluster.external import EXTERNAL, Borrowed
from sympozium.kube.kubeconfig import load
from sympozium.testing.client import Client, Object
from sympozium.testing.kube import KubeProcess
from sympozium.testing.resources import JOB, NODE, POD, SERVICE_ACCOUNT

USERS = 'admintoken,admin,1,"system:masters"\nalicetoken,alice,2,"devs"\n'


class LocalKube(Client):
    """`python -m sympozium.localkube` on a directory; `kill` and `start` may alternate.

    With SYMPOZIUM_TEST_KUBECONFIG it is that server instead (`cluster.external`), and a test that would end it is skipped.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if EXTERNAL:
            self.server: KubeProcess = Borrowed(directory)
        else:
            users = directory / "users.csv"
            users.write_text(USERS)
            self.server = KubeProcess(directory / "data", token_auth_file=users, log=directory / "log")
        self.server.start()
        self.kubeconfig = self.server.kubeconfig
        access = load(self.kubeconfig)
        self.url, self.authority = access.server, access.ca or b""
        super().__init__(self.kubeconfig)

    def start(self) -> None:
        self.server.start()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.server.kill(number)

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Any:
        """The raw answer, as the user of a token (without one: the administrator)."""
        extra = {"Authorization": f"Bearer {token}"} if token else {}
        extra |= {key.replace("_", "-"): value for key, value in headers.items()}
        if not token:
            return self.http.request(method, path, json=body, headers=extra)
        # A client certificate would win over the token: ask without it.
        import httpx2

        context = httpx2.create_ssl_context(verify=False)
        with httpx2.Client(base_url=self.url, verify=context, trust_env=False, timeout=30) as http:
            return http.request(method, path, json=body, headers=extra)

    def namespace_named(self, name: str) -> str:
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def node(self, name: str, **spec: Any) -> Object:
        """A ready node, as a node would register and report itself."""
        self.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec})
        status = {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "50"},
        }
        return self.patch(NODE, name, {"status": status}, subresource="status")

    def pods_of(self, job: str, namespace: str) -> list[Object]:
        owned = [p for p in self.items(POD, namespace) if p["metadata"].get("ownerReferences")]
        return [p for p in owned if p["metadata"]["ownerReferences"][0]["name"] == job]

    def finish(self, pod: Object, phase: str = "Succeeded") -> None:
        """What a node reports of a pod that has ended."""
        code = int(phase == "Failed")
        ended = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "finishedAt": "2026-01-01T00:00:00Z",
        }
        container = {
            "name": "c",
            "image": "i",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        meta = pod["metadata"]
        status = {"status": {"phase": phase, "containerStatuses": [container]}}
        self.patch(POD, meta["name"], status, meta["namespace"], subresource="status")

    def job(self, name: str, namespace: str, **spec: Any) -> Object:
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
        base = {"completions": 1, "parallelism": 1, "template": template}
        meta = {"name": name, "namespace": namespace}
        return self.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": base | spec})

    def wait_job(self, name: str, namespace: str, condition: Any, timeout: float = 20) -> Object:
        return self.wait(
            JOB, name, lambda obj: condition(obj.get("status") or {}), namespace, timeout=timeout
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
        self.server.stop()


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKube]:
    with LocalKube(tmp_path_factory.mktemp("localkube")) as made:
        yield made


@pytest.fixture
def ns(kube: LocalKube, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].rstrip("-")
    made = kube.namespace_named(name)
    kube.wait_any(SERVICE_ACCOUNT, lambda obj: obj["metadata"]["name"] == "default", made)
    return made

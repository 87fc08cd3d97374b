"""localkube alone, as a process: for tests of its controllers and its access."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from sympozium.testing.client import Client, Object
from sympozium.testing.resources import JOB, NODE, POD, SERVICE_ACCOUNT

USERS = 'admintoken,admin,1,"system:masters"\nalicetoken,alice,2,"devs"\n'


class LocalKube(Client):
    """`python -m sympozium.localkube` on a directory; `kill` and `start` may alternate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.users = directory / "users.csv"
        self.users.write_text(USERS)
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.start()
        super().__init__(directory / "data" / "kubeconfig")

    def start(self) -> str:
        """Start the process and wait until it says that it is ready; its URL."""
        argv = [sys.executable, "-m", "sympozium.localkube", "--data-dir", str(self.directory / "data")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, "--token-auth-file", str(self.users)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.directory / "log").read_text()
        return str(json.loads(line)["url"])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

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
        self.kill(signal.SIGTERM)


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKube]:
    with LocalKube(tmp_path_factory.mktemp("localkube")) as made:
        yield made


@pytest.fixture
def ns(kube: LocalKube, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].rstrip("-")
    made = kube.namespace_named(name)
    kube.wait_any(SERVICE_ACCOUNT, lambda obj: obj["metadata"]["name"] == "default", made, timeout=10)
    return made

"""An API server and a node, without the rest of the control plane: for tests of the node."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from cluster.external import EXTERNAL, Borrowed, not_ours
from cluster.signer import Signer
from sympozium.catalog import install
from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.testing.client import Client, Object
from sympozium.testing.resources import EVENT, NAMESPACE, NODE, POD
from sympozium.testing.waiting import until
from sympozium.up.identities import kubeconfig

IMAGE = "localhost/host:latest"
TERMINAL = {"Succeeded", "Failed"}


class NodeCluster(Client):
    """`python -m sympozium.localkube` and `python -m sympozium.node` below one directory."""

    def __init__(self, directory: Path, *node_arguments: str) -> None:
        self.directory = directory
        self.node_arguments = node_arguments
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        url = self._start_api()
        self._identities(url)
        self.kubeconfig = Path(EXTERNAL) if EXTERNAL else directory / "api" / "kubeconfig"
        super().__init__(self.kubeconfig)
        for document in install.node():
            self.apply(document)
        try:
            self.start_node()
        except AssertionError as failure:
            self.__exit__()
            raise AssertionError(f"{failure}\n{self.log('node')}") from failure

    def _start_api(self) -> str:
        if EXTERNAL:
            return Borrowed(self.directory).start()
        api = self._spawn(
            "api", ["sympozium.localkube", "--data-dir", str(self.directory / "api"), "--port", "0"]
        )
        assert api.stdout is not None
        line = api.stdout.readline()
        assert line, (self.directory / "api.log").read_text()
        return str(json.loads(line)["url"])

    def _identities(self, url: str) -> None:
        authority = (
            Signer(self.directory) if EXTERNAL else CertificateAuthority(self.directory / "api" / "pki")
        )
        client = authority.issue("system:node:n1", ["system:nodes"], self.directory / "client")
        self.serving = authority.issue_server("n1", ["127.0.0.1"], path=self.directory / "serving")
        self.authority = authority
        user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
        self.node_config = self.directory / "node.kubeconfig"
        self.node_config.write_text(kubeconfig(url, authority.certificate_pem, user, namespace="default"))
        self.images = self.directory / "images.yaml"
        binds = [p for p in (sys.prefix, sys.base_prefix) if not p.startswith("/usr")]
        image = {"name": IMAGE, "entrypoint": [], "binds": binds, "path": [str(Path(sys.executable).parent)]}
        self.images.write_text(json.dumps({"images": [image]}))

    def _spawn(self, name: str, module: list[str], **env: str) -> "subprocess.Popen[bytes]":
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module], stdout=subprocess.PIPE, stderr=log, env={**os.environ, **env}
            )
        self.processes[name] = process
        return process

    def start_node(self, *more: str) -> None:
        """Returns when the Node says that it is ready."""
        module = [
            "sympozium.node", "--name", "n1", "--data-dir", str(self.directory / "node"),
            "--images", str(self.images), "--tls-cert", str(self.serving.certificate),
            "--tls-key", str(self.serving.key), "--client-ca", str(self.authority.certificate_path),
            "--sync-period", "1s", *self.node_arguments, *more,
        ]  # fmt: skip
        self._spawn_node(module)
        self.wait(NODE, "n1", lambda node: _ready(node) == "True")

    def _spawn_node(self, module: list[str]) -> None:
        self._spawn("node", module, KUBECONFIG=str(self.node_config))

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        if name == "api" and EXTERNAL:
            not_ours()
        process = self.processes.pop(name)
        process.send_signal(number)
        code = process.wait(30)
        if process.stdout:
            process.stdout.close()
        return code

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("node", "api"):
            if name in self.processes:
                self.stop(name)
        self.close()

    # -- pods

    def run_pod(self, name: str, namespace: str, spec: Object, **metadata: Any) -> Object:
        meta = {"name": name, "namespace": namespace, **metadata}
        return self.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def ended(self, name: str, namespace: str, timeout: float = 30) -> Object:
        """The pod, once its phase is terminal and nothing of it runs: a deadline is told before the containers end."""

        def over(pod: Object) -> bool:
            statuses = (pod.get("status") or {}).get("containerStatuses") or []
            return phase(pod) in TERMINAL and not any("running" in (s.get("state") or {}) for s in statuses)

        return self.wait(POD, name, over, namespace, timeout=timeout)

    def logs(self, name: str, namespace: str, **params: str) -> str:
        path = POD.path(namespace, name, "log")
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.text

    def told(self, name: str, namespace: str, *reasons: str) -> dict[str, str]:
        """Reason -> message of the events about a pod, once all of `reasons` are there: events are written
        beside the status, not before it.
        """
        found: dict[str, str] = {}

        def all_there() -> bool:
            events = self.items(EVENT, namespace)
            found.update({e["reason"]: e["message"] for e in events if e["involvedObject"]["name"] == name})
            return set(reasons) <= set(found)

        until(all_there, f"events {reasons} about pod {name}")
        return found


def _ready(node: Object) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == "Ready"), "")


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def state(pod: Object, container: str = "main") -> Object:
    """The one key of a container's state and what is in it: {"terminated": {...}}."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    found: Object = next((s for s in statuses if s["name"] == container), {})
    return found.get("state") or {}


def shell(script: str, **more: Any) -> Object:
    """A container named `main` that runs a shell script."""
    return {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], **more}


def once(*containers: Object, **more: Any) -> Object:
    """The spec of a pod that is not restarted, without a ServiceAccount token."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": list(containers),
        **more,
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    with NodeCluster(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def ns(cluster: NodeCluster) -> Iterator[str]:
    """A fresh namespace with its default ServiceAccount."""
    made = cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "t-"}})
    name = str(made["metadata"]["name"])
    until(lambda: cluster.http.get(f"/api/v1/namespaces/{name}/serviceaccounts/default").status_code == 200,
          "the default ServiceAccount")  # fmt: skip
    yield name
    cluster.request("DELETE", NAMESPACE.path(None, name))


FETCH = (
    "python -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())' "
)


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET with `hello`."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def policy(ns: str, egress: list[Object]) -> Object:
    spec = {"podSelector": {"matchLabels": {"net": "own"}}, "policyTypes": ["Egress"], "egress": egress}
    meta = {"name": "own", "namespace": ns}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


__all__ = [
    "FETCH", "IMAGE", "Hello", "NodeCluster", "cluster", "ns", "once", "phase", "policy", "shell", "state", "web",
]  # fmt: skip

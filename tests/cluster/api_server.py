"""The API server as a process before the embedded Kubernetes API, with the identity and keys that an install gives it."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest
import yaml

import sympozium.api
from cluster.external import kube_api
from sympozium.catalog import install
from sympozium.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, SERVICE_ACCOUNTS
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.waiting import until
from sympozium.up.identities import kubeconfig
from sympozium.up.install import SERVER, SERVER_KEYS
from sympozium.up.ports import pick

SYSTEM = install.SYSTEM_NAMESPACE
OURS = {"X-Sympozium-Request": "1"}
"""What a request without `Authorization` must carry to change something."""
USERS = """admin-token,admin,1,"system:masters"
viewer-token,viewer,2,"people"
approver-token,approver,3,"people"
operator-token,operator,4,"people"
stranger-token,stranger,5,"people"
nobody-token,nobody,6,""
"""
"""The token file of the embedded API: what each may do, the tests bind."""


class ApiServer:
    """`sympozium serve apiserver`. Use as a context manager; `stop` or `kill` and `start` may alternate."""

    program: Sequence[str] = ("-m", "sympozium")
    """What Python is started with: the command `sympozium`, or a test's own way to it."""

    def __init__(self, kube: KubeAPI, directory: Path, *arguments: str) -> None:
        self.kube = kube
        self.directory = directory
        self.port = pick()
        self.health = pick()
        self.url = f"http://127.0.0.1:{self.port}"
        self.arguments = arguments
        self.log = directory / "apiserver.log"
        self._process: subprocess.Popen[bytes] | None = None
        request = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 36000},
        }  # fmt: skip
        path = SERVICE_ACCOUNTS.path(SYSTEM, "sympozium-apiserver", "token")
        token = kube.request("POST", path, request)["status"]["token"]
        self._kubeconfig = directory / "apiserver.kubeconfig"
        authority = kube.process.authority.read_bytes()
        self._kubeconfig.write_text(kubeconfig(kube.url, authority, {"token": token}, namespace=SYSTEM))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Returns when it is ready."""
        argv = [sys.executable, *self.program, "serve", "apiserver", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "--health-port", str(self.health), *self.arguments],
                env={**os.environ, "KUBECONFIG": str(self._kubeconfig)}, stderr=log, stdout=log,
            )  # fmt: skip
        self.wait()

    def wait(self) -> None:
        """Until it is ready."""
        until(self._ready, f"the API server on port {self.port} is ready: {self.log}", timeout=60)

    def stop(self) -> int:
        return self.kill(signal.SIGTERM)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(60)
        self._process = None
        return code

    def client(self, token: str = "", *, base_url: str = "") -> httpx2.Client:
        """A client with a bearer token, or one that keeps cookies as a browser does; close it."""
        headers = {"Authorization": f"Bearer {token}"} if token else OURS
        # No certificates are read for plain HTTP: that is most of what a client costs.
        return httpx2.Client(
            base_url=base_url or self.url, headers=headers, trust_env=False, timeout=60, verify=False
        )

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> httpx2.Response:
        """One request under `/api/v1`, without cookies."""
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.client(token) as client:
            return client.request(method, f"/api/v1{path}", json=body, headers=extra)

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the API server ended: {self.log.read_text()[-3000:]}")
        try:
            answer = httpx2.get(f"http://127.0.0.1:{self.health}/readyz", trust_env=False, timeout=60)
        except httpx2.TransportError:
            return False
        return answer.status_code == 200

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()


def prepare(kube: KubeAPI) -> None:
    """Kinds, identities and keys: what `up` installs, without webhook, controllers and bus."""
    for file in sorted((Path(sympozium.api.__file__).parent / "crds").glob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        name = document["metadata"]["name"]
        kube.request(
            "PATCH", CUSTOM_RESOURCE_DEFINITIONS.path(name=name), document,
            content_type="application/apply-patch+yaml", fieldManager="test", force="true",
        )  # fmt: skip
        kube.wait(CUSTOM_RESOURCE_DEFINITIONS, name, _established)
    for document in install.identities():
        kube.apply(document)
    set_keys(kube, **{name: os.urandom(32) for name in SERVER_KEYS})


def set_keys(kube: KubeAPI, **keys: bytes) -> None:
    """The keys of the Secret `sympozium-server`, and no others."""
    data = {name: base64.b64encode(value).decode() for name, value in keys.items()}
    kube.apply(
        {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SERVER, "namespace": SYSTEM}, "data": data,
        }
    )  # fmt: skip


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeAPI]:
    """The embedded API with everything installed that the API server needs, and the people of USERS."""
    with kube_api(tmp_path_factory.mktemp("kube"), USERS) as kube:
        prepare(kube)
        yield kube


@pytest.fixture(scope="module")
def server(installed: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(installed, tmp_path_factory.mktemp("apiserver")) as running:
        yield running

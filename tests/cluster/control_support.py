"""The real controllers with their own identity, a real localkube and a real nats-server; the test plays node and pod.

No webhook and no node: what is tested is what the controllers do by themselves, and that they may do it.
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import yaml

import sympozium.api
from cluster.bus_server import BusServer
from cluster.localkube_fixture import LocalKube
from sympozium import catalog
from sympozium.bus.credentials import Credentials
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import REQUESTS
from sympozium.catalog import install
from sympozium.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, SERVICE_ACCOUNTS, Resource
from sympozium.names import derive
from sympozium.testing.client import Object, phase
from sympozium.testing.resources import AGENT_RUN, JOB, POD, SECRET
from sympozium.up.bus import objects as bus_objects
from sympozium.up.identities import kubeconfig

SYSTEM = "sympozium-system"
PROGRAM = "import sys; from sympozium.controllers.main import run; sys.exit(run(health_port=0))"
USAGE = {"inputTokens": 100, "outputTokens": 20}
STARTED = ("run.started", {"model": "m1", "provider": "openai", "tools": ["read_file"]})
STEP = ("step.started", {"step": 1})
TERMINAL = ("Succeeded", "Failed", "Cancelled")


class Loop:
    """An event loop in a thread: the tests are synchronous, the bus is not."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-bus")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], *, timeout: float = 30) -> Any:
        return self.start(work).result(timeout)

    def start(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Control(LocalKube):
    """localkube with everything installed, and the controllers as a process that may be killed."""

    def __init__(self, directory: Path) -> None:
        self.controllers: subprocess.Popen[bytes] | None = None
        self.loop = Loop()
        (directory / "bus").mkdir()
        self.bus = BusServer(directory / "bus")
        super().__init__(directory)
        try:
            self.loop.run(self.bus.start())
            self._install()
            self.node("n1")
            self.start_controllers()
        except BaseException:
            self.__exit__()
            raise

    def _install(self) -> None:
        for document in install.identities():
            self.apply(document)
        for file in sorted((Path(sympozium.api.__file__).parent / "crds").glob("*.yaml")):
            document = yaml.safe_load(file.read_text())
            self.request(
                "PATCH", CUSTOM_RESOURCE_DEFINITIONS.path(name=document["metadata"]["name"]), document,
                content_type="application/apply-patch+yaml", fieldManager="test", force="true",
            )  # fmt: skip
            name = document["metadata"]["name"]
            self.wait(CUSTOM_RESOURCE_DEFINITIONS, name, _established)
        for document in [*catalog.documents(), *bus_objects(self.bus.keyring, self.bus.url)]:
            self.apply(_encoded(document))
        self.configure()
        request = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 36000},
        }  # fmt: skip
        path = SERVICE_ACCOUNTS.path(SYSTEM, install.CONTROLLER, "token")
        token = self.request("POST", path, request)["status"]["token"]
        self.controller_kubeconfig = self.directory / "controller.kubeconfig"
        self.controller_kubeconfig.write_text(
            kubeconfig(self.url, self.authority, {"token": token}, namespace=SYSTEM)
        )

    def configure(self, **spec: Any) -> None:
        """SympoziumConfig `default`."""
        self.apply(
            {
                "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumConfig",
                "metadata": {"name": "default", "namespace": SYSTEM}, "spec": {"model": "m1", **spec},
            }
        )  # fmt: skip

    def start_controllers(self) -> None:
        with (self.directory / "controllers.log").open("ab") as log:
            self.controllers = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, "KUBECONFIG": str(self.controller_kubeconfig)}, stderr=log,
            )  # fmt: skip

    def stop_controllers(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.controllers is not None
        self.controllers.send_signal(number)
        code = self.controllers.wait(30)
        self.controllers = None
        return code

    def controllers_log(self) -> str:
        return (self.directory / "controllers.log").read_text()

    # -- objects

    def instance(self, namespace: str, name: str = "sre", **spec: Any) -> Object:
        base = {"agents": {"default": {"model": "m1", "runTimeout": "10m"}}, **spec}
        return self.apply(
            {
                "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumInstance",
                "metadata": {"name": name, "namespace": namespace}, "spec": base,
            }
        )[0]  # fmt: skip

    def run(self, namespace: str, name: str = "r", **spec: Any) -> Object:
        base = {"instanceRef": "sre", "task": "look", **spec}
        return self.create(
            {
                "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
                "metadata": {"name": name, "namespace": namespace}, "spec": base,
            }
        )  # fmt: skip

    def wait_run(
        self, name: str, namespace: str, condition: str | Callable[[Object], bool], *, timeout: float = 30
    ) -> Object:
        """Until the run is in a phase, or a condition holds for it."""
        check = condition if callable(condition) else lambda obj: phase(obj) == condition
        try:
            return self.wait(AGENT_RUN, name, check, namespace, timeout=timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.controllers_log()[-4000:]}") from None

    # -- the node

    def pod_of(self, run: str, namespace: str) -> Object:
        return self.wait_any(
            POD, lambda pod: not pod["metadata"].get("deletionTimestamp"), namespace,
            timeout=60, labelSelector=f"sympozium.ai/run={run}",
        )  # fmt: skip

    def wait_none(self, resource: Resource, namespace: str) -> None:
        """Until the run `r` owns nothing of a kind."""
        for obj in self.items(resource, namespace, labelSelector="sympozium.ai/run=r"):
            self.wait_gone(resource, obj["metadata"]["name"], namespace)

    def report(self, pod: Object, agent: Object, *, pod_phase: str = "Running") -> None:
        """What a node says of a pod whose agent is in a state."""
        container = {
            "name": "agent", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": agent,
        }  # fmt: skip
        status = {"phase": pod_phase, "startTime": "2026-11-26T12:00:00Z", "containerStatuses": [container]}
        meta = pod["metadata"]
        self.patch(POD, meta["name"], {"status": status}, meta["namespace"], subresource="status")

    def running(self, run: str, namespace: str) -> Object:
        pod = self.pod_of(run, namespace)
        self.report(pod, {"running": {"startedAt": "2026-11-26T12:00:00Z"}})
        return pod

    def end(self, pod: Object, code: int = 0, message: str = "") -> None:
        state = {
            "exitCode": code, "reason": "Error" if code else "Completed", "message": message,
            "startedAt": "2026-11-26T12:00:00Z", "finishedAt": "2026-11-26T12:01:00Z",
        }  # fmt: skip
        self.report(pod, {"terminated": state}, pod_phase="Failed" if code else "Succeeded")

    def reap(self, namespace: str, run: str) -> None:
        """Let the run's pod go when it is being deleted, as its node would when its processes have ended."""
        for pod in self.items(POD, namespace, labelSelector=f"sympozium.ai/run={run}"):
            name = pod["metadata"]["name"]
            self.wait(POD, name, lambda obj: bool(obj["metadata"].get("deletionTimestamp")), namespace)
            self.request("DELETE", POD.path(namespace, name), {"gracePeriodSeconds": 0})

    def answer_the_probe(self, **codes: int) -> None:
        """There is no node here: the pods of the probe end as a kubelet would have them end."""
        for mode in ("closed", "open"):
            pod = self.wait_any(
                POD, lambda p: True, SYSTEM, labelSelector=f"sympozium.ai/network-probe={mode}"
            )
            code = codes["opened" if mode == "open" else mode]
            ended = {"name": "probe", "state": {"terminated": {"exitCode": code}}, "ready": False, "restartCount": 0,
                     "image": "i", "imageID": "i"}  # fmt: skip
            status = {"phase": "Failed", "containerStatuses": [ended]}
            self.patch(POD, pod["metadata"]["name"], {"status": status}, SYSTEM, subresource="status")

    # -- the containers of a run

    def credentials(self, run: str, namespace: str, source: str) -> Credentials:
        """As the container finds them."""
        secret = self.get(SECRET, f"{run}-bus-{source}", namespace)
        directory = self.directory / f"{namespace}-{run}-{source}"
        directory.mkdir(exist_ok=True)
        for name, value in secret["data"].items():
            (directory / name).write_bytes(base64.b64decode(value))
        return Credentials.load(directory)

    def say(self, run: str, namespace: str, source: str, *messages: tuple[str, Object]) -> None:
        credentials = self.credentials(run, namespace, source)

        async def publish() -> None:
            publisher = await Publisher.open(credentials)
            for kind, data in messages:
                if kind in REQUESTS:
                    await publisher.request(kind, data)
                else:
                    await publisher.publish(kind, data)
            await publisher.close()

        self.loop.run(publish())

    def hear(self, run: str, namespace: str) -> "Future[Any]":
        """The next control message that the tool server gets. It is not acknowledged, so it comes again."""
        credentials = self.credentials(run, namespace, "tools")

        async def first() -> Any:
            publisher = await Publisher.open(credentials)
            try:
                async with asyncio.timeout(60):
                    async for message in publisher.control():
                        return message
            finally:
                await publisher.close()

        return self.loop.start(first())

    def hear_all(self, run: str, namespace: str, kind: str, count: int) -> list[Object]:
        """The data of the next messages of a type that the tool server gets."""
        credentials = self.credentials(run, namespace, "tools")

        async def some() -> list[Object]:
            found: list[Object] = []
            publisher = await Publisher.open(credentials)
            try:
                async with asyncio.timeout(60):
                    async for message in publisher.control():
                        found += [dict(message.data)] if message.type == kind else []
                        if len(found) == count:
                            break
            finally:
                await publisher.close()
            return found

        return self.loop.run(some(), timeout=90)

    def succeed(self, run: str, namespace: str, result: str = "all well") -> None:
        """A whole short run."""
        pod = self.running(run, namespace)
        self.say(
            run, namespace, "agent", STARTED, STEP,
            ("model.message", {"step": 1, "text": result, "toolCalls": [], "usage": USAGE, "finishReason": "stop"}),
            ("run.result", {"phase": "Succeeded", "reason": "Completed", "result": result, "steps": 1, "usage": USAGE}),
        )  # fmt: skip
        self.end(pod, 0, json.dumps({"phase": "Succeeded", "reason": "Completed"}))

    def close(self) -> None:
        if self.controllers is not None:
            self.stop_controllers(signal.SIGTERM)
        self.bus.stop()
        self.loop.close()
        super().close()


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _encoded(document: Object) -> Object:
    """`stringData` as `data`."""
    texts = document.pop("stringData", None)
    if texts:
        document["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}
    return document


def jobs_of(control: Control, run: str, namespace: str) -> list[Object]:
    return control.items(JOB, namespace, labelSelector=f"sympozium.ai/run={run}")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with Control(tmp_path_factory.mktemp("control")) as made:
        yield made


@pytest.fixture
def ns(control: Control, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    if control.controllers is None:
        control.start_controllers()
    name = derive(request.node.name.removeprefix("test_"), limit=40)
    return control.namespace_named(name)

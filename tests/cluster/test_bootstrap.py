"""What the first controller of a cluster makes: created once, whoever comes first, wherever it is killed."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube, ns
from cluster.test_webhook import install, token
from sympozium.api import crds
from sympozium.bus import jwt, nkey, server
from sympozium.bus.credentials import User
from sympozium.bus.keyring import Keyring
from sympozium.catalog.install import CONTROLLER, identities
from sympozium.controllers.bootstrap import Bootstrap, BootstrapError, Cluster, make
from sympozium.kube import Client
from sympozium.kube.resources import CONFIG_MAPS, SECRETS
from sympozium.testing.waiting import until
from sympozium.up.components import tool
from sympozium.up.ports import pick

__all__ = ["kube", "ns"]

ONE = Cluster("nats://bus.svc:4222")
KEPT = {
    SECRETS: ("sympozium-bus-operator", "sympozium-bus-controller", "sympozium-bus-reader", "sympozium-nats-config",
              "sympozium-egress-key", "sympozium-server"),
    CONFIG_MAPS: ("sympozium-bus", "sympozium-server"),
}  # fmt: skip
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sympozium.controllers.bootstrap import Cluster, make
from sympozium.kube import Client

async def begin(namespace, writes):
    async with Client.connect(Path(sys.argv[1]), field_manager="sympozium-controller") as client:
        create = client.create
        async def counted(*arguments):
            nonlocal writes
            if not writes:
                os.kill(os.getpid(), signal.SIGKILL)
            writes -= 1
            return await create(*arguments)
        client.create = counted
        await make(client, namespace, Cluster("nats://bus.svc:4222"))

for writes in (0, 1, 1, 1, 1, 1, 1, 1):
    child = os.fork()
    if not child:
        asyncio.run(begin(sys.argv[2], writes))
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
"""


@pytest.fixture(scope="module")
def access(kube: LocalKube) -> Path:
    """A kubeconfig with the rights of the controllers, and no others."""
    install(kube, identities())
    config = yaml.safe_load(kube.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token(kube, CONTROLLER)}
    path = kube.directory / "controller.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def state(kube: LocalKube, namespace: str) -> dict[str, dict[str, str]]:
    """Data of all that was made; `cm/` before ConfigMaps, whose name a Secret may have too."""
    found = {}
    for resource, names in KEPT.items():
        for name in names:
            obj = kube.find(resource, name, namespace)
            if obj is not None:
                found[f"{'cm/' if resource is CONFIG_MAPS else ''}{name}"] = obj["data"]
    return found


def text(data: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode("latin-1") for key, value in data.items()}


def consistent(made: dict[str, dict[str, str]], namespace: str) -> None:
    """Everything is there, and of one set of keys."""
    assert len(made) == 8
    keyring = Keyring.from_secret(text(made["sympozium-bus-operator"]))
    for name in ("sympozium-bus-controller", "sympozium-bus-reader"):
        user = User.parse(text(made[name])["user.creds"])
        assert jwt.payload(user.jwt)["iss"] == nkey.public(keyring.account)
    assert made["cm/sympozium-bus"] == {
        "url": "nats://bus.svc:4222", "replicas": "1", "controllerKey": keyring.controller_public,
        "recordKey": keyring.record_public,
    }  # fmt: skip
    files = text(made["sympozium-nats-config"])
    assert files == server.configurations(keyring, namespace, 1, 1024**3)
    assert files["nats.conf"] == files["nats-1.conf"]
    assert made["cm/sympozium-server"] == {"url": f"http://sympozium-apiserver.{namespace}.svc:8080"}
    assert {len(base64.b64decode(value)) for value in made["sympozium-server"].values()} == {32}


async def begin(access: Path, namespace: str, cluster: Cluster = ONE) -> None:
    async with Client.connect(access, field_manager="sympozium-controller") as client:
        await make(client, namespace, cluster)


def test_killed_before_any_of_its_writes_the_next_one_makes_the_rest(
    kube: LocalKube, access: Path, ns: str
) -> None:
    """Each of eight processes goes on where the one before was killed, and is killed one write later."""
    subprocess.run([sys.executable, "-c", KILLED, str(access), ns], check=True, timeout=120)
    before = state(kube, ns)
    assert len(before) == 7
    asyncio.run(begin(access, ns))
    after = state(kube, ns)
    consistent(after, ns)
    assert {name: after[name] for name in before} == before


async def test_of_several_that_begin_at_once_all_end_with_the_keys_of_one(
    kube: LocalKube, access: Path, ns: str
) -> None:
    await asyncio.gather(*(begin(access, ns) for _ in range(4)))
    made = state(kube, ns)
    consistent(made, ns)
    await begin(access, ns)
    assert state(kube, ns) == made


async def test_what_other_keys_signed_is_made_anew_and_a_broken_key_is_not(
    kube: LocalKube, access: Path, ns: str
) -> None:
    await begin(access, ns)
    other = Keyring.generate().secret()
    data = {key: base64.b64encode(value.encode()).decode() for key, value in other.items()}
    kube.patch(SECRETS, "sympozium-bus-operator", {"data": data}, ns)
    await begin(access, ns)
    consistent(state(kube, ns), ns)
    reader = state(kube, ns)["sympozium-bus-reader"]
    almighty = {"data": state(kube, ns)["sympozium-bus-controller"]}
    kube.patch(SECRETS, "sympozium-bus-reader", almighty, ns)
    await begin(access, ns)
    rights = [
        jwt.payload(User.parse(text(data)["user.creds"]).jwt)["nats"]
        for data in (reader, state(kube, ns)["sympozium-bus-reader"])
    ]
    assert rights[0] == rights[1]
    whole = state(kube, ns)["sympozium-bus-operator"]
    for broken in whole:
        kube.patch(SECRETS, "sympozium-bus-operator", {"data": {**whole, broken: "YQ=="}}, ns)
        made = state(kube, ns)
        with pytest.raises(BootstrapError, match="does not hold the keys of the bus"):
            await begin(access, ns)
        assert state(kube, ns) == made


async def test_one_server_does_not_silently_become_a_cluster_without_its_histories(
    kube: LocalKube, access: Path, ns: str
) -> None:
    await begin(access, ns)
    made = state(kube, ns)
    async with Client.connect(access) as client:
        grown, stop = Bootstrap(client, ns, Cluster("nats://bus.svc:4222", 3)), asyncio.Event()
        running = asyncio.create_task(grown.run(stop))
        async with asyncio.timeout(60):
            while not grown.problem:
                await asyncio.sleep(0.01)
        stop.set()
        assert not await running
    assert "made with 1 NATS pods and is to have 3" in grown.problem
    assert state(kube, ns) == made
    kube.delete(CONFIG_MAPS, "sympozium-bus", ns)
    await begin(access, ns, Cluster("nats://other.svc:4222", 3, public_url="https://s.example/"))
    await begin(access, ns, Cluster("nats://other.svc:4222", 5))  # a cluster grows in place
    found = state(kube, ns)
    assert (found["cm/sympozium-bus"]["url"], found["cm/sympozium-bus"]["replicas"]) == ("nats://other.svc:4222", "5")  # fmt: skip
    assert found["cm/sympozium-server"] == {"url": "https://s.example"}
    assert text(found["sympozium-nats-config"])["nats.conf"].count("nats-route://") == 5


async def test_a_number_of_servers_that_is_none_is_said(kube: LocalKube, access: Path, ns: str) -> None:
    await begin(access, ns)
    kube.patch(CONFIG_MAPS, "sympozium-bus", {"data": {"replicas": "three"}}, ns)
    with pytest.raises(BootstrapError, match="'three', which is no number"):
        await begin(access, ns)


def test_the_process_makes_keys_for_a_bus_that_starts_with_them(
    kube: LocalKube, access: Path, ns: str, tmp_path: Path
) -> None:
    """Without a namespace it can make nothing: it stays, unready, says why, and goes on when there is one."""
    install(kube, [yaml.safe_load(text) for text in crds.documents().values()])
    health, clients, monitor = pick(), pick(), pick()
    namespace = f"{ns[:40]}-later"
    process = subprocess.Popen(
        [sys.executable, "-m", "sympozium", "serve", "controller", "--bus-url", f"nats://127.0.0.1:{clients}",
         "--health-port", str(health), "--health-host", "0.0.0.0"],
        env={"KUBECONFIG": str(access), "SYMPOZIUM_NAMESPACE": namespace, "PATH": "/usr/bin"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    bus = None
    try:
        until(lambda: "not found" in _ready(health), "it says what is missing")
        kube.namespace_named(namespace)
        until(lambda: len(state(kube, namespace)) == 8, "the keys are made")
        until(lambda: "the bus is not connected" in _ready(health), "it goes on")
        # As a NATS pod mounts it, but for the ports and the volume of a machine that has others.
        file = text(state(kube, namespace)["sympozium-nats-config"])["nats-1.conf"]
        for there, here in (("/data", str(tmp_path)), (":4222", f":{clients}"), (":8222", f":{monitor}")):
            assert there in file
            file = file.replace(there, here)
        (tmp_path / "nats.conf").write_text(file)
        bus = subprocess.Popen(
            [tool("nats-server"), "-c", str(tmp_path / "nats.conf")], env={"SERVER_NAME": "sympozium-nats-0"},
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: _ready(health) == "ok\n", "it is connected and ready", timeout=60)
        with httpx2.Client(trust_env=False, timeout=60) as http:
            assert http.get(f"http://127.0.0.1:{monitor}/varz").json()["server_name"] == "sympozium-nats-0"
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
        if bus is not None:
            bus.kill()
            bus.wait()
    assert process.returncode == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert sum("is not there yet" in _message(line) for line in lines) == 1


def _message(line: dict[str, Any]) -> str:
    return str(line.get("message") or line.get("msg") or "")


def _ready(port: int) -> str:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=60).text
    except httpx2.HTTPError:
        return ""

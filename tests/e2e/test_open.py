"""`sympozium open` against a running control plane: the link signs in, once, also through the Kubernetes API."""

import signal
import subprocess
import sys
from typing import Any

import httpx2

from sympozium.testing import Cluster
from sympozium.testing.resources import CONFIG_MAP, POD

SYSTEM = "sympozium-system"


def redeem(link: str) -> tuple[int, Any]:
    """What a browser does with it."""
    base, _, ticket = link.strip().partition("/#/sign-in?ticket=")
    with httpx2.Client(base_url=base, trust_env=False, timeout=30) as browser:
        headers = {"X-Sympozium-Request": "1", "Origin": base}
        answer = browser.post("/api/v1/session/link", json={"ticket": ticket}, headers=headers)
        return answer.status_code, browser.get("/api/v1/session").json()["user"]


def test_the_link_signs_in_once(sympozium_cluster: Cluster) -> None:
    link = sympozium_cluster.sympozium("open", "--print").stdout
    status, user = redeem(link)
    assert status == 200
    assert "system:masters" in user["groups"]
    assert redeem(link) == (401, None)


def test_without_an_address_it_goes_through_the_kubernetes_api(sympozium_cluster: Cluster) -> None:
    """A pod with the machine's network stands for the server's: its ports are the machine's."""
    cluster = sympozium_cluster
    address = cluster.get(CONFIG_MAP, "sympozium-server", SYSTEM)["data"]["url"]
    port = int(address.rpartition(":")[2])
    labels = {"app": "stand-in"}
    container = {"name": "c", "image": "localhost/host:latest", "command": ["sleep", "600"]}
    for obj in (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stand-in", "namespace": SYSTEM, "labels": labels},
         "spec": {"hostNetwork": True, "containers": [container], "terminationGracePeriodSeconds": 0}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sympozium-apiserver", "namespace": SYSTEM},
         "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": port}]}},
    ):  # fmt: skip
        cluster.request("POST", f"/api/v1/namespaces/{SYSTEM}/{obj['kind'].lower()}s", obj)
    cluster.wait(POD, "stand-in", lambda pod: pod["status"].get("phase") == "Running", SYSTEM)
    cluster.patch(CONFIG_MAP, "sympozium-server", {"data": {"url": None}}, SYSTEM)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "sympozium", "open", "--print"],
            env={**cluster.environ, "KUBECONFIG": str(cluster.data.kubeconfig)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            try:
                assert process.stdout is not None
                link = process.stdout.readline()
                assert link.startswith("http://127.0.0.1:"), process.communicate(timeout=30)
                assert not link.startswith(address)
                assert redeem(link)[0] == 200
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=30)
            finally:
                process.kill()
        assert "through the Kubernetes API" in said
        assert process.returncode == 130
    finally:
        cluster.patch(CONFIG_MAP, "sympozium-server", {"data": {"url": address}}, SYSTEM)
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/services/sympozium-apiserver")
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/stand-in")

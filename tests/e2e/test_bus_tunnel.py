"""Reading runs of a cluster whose bus has a name that pods alone know: through the Kubernetes API."""

from urllib.parse import urlsplit

from e2e.support import agent, finished, policy, run, say
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.resources import CONFIG_MAP, POD

SYSTEM = "sympozium-system"
WORDS = "through the tunnel"


def test_logs_and_records_are_read_through_the_kubernetes_api(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    """A pod with the machine's network stands for the bus: its ports are the machine's."""
    cluster = sympozium_cluster
    policy(cluster, namespace)
    with ScriptedModel(say({"id": "end", "say": WORDS})) as model:
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        finished(cluster, namespace)
    address = cluster.get(CONFIG_MAP, "sympozium-bus", SYSTEM)["data"]["url"]
    labels = {"app": "bus"}
    container = {"name": "c", "image": "localhost/host:latest", "command": ["sleep", "600"]}
    ports = [{"name": "client", "port": 4222, "targetPort": urlsplit(address).port}]
    for obj in (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bus", "namespace": SYSTEM, "labels": labels},
         "spec": {"hostNetwork": True, "containers": [container], "terminationGracePeriodSeconds": 0}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sympozium-nats", "namespace": SYSTEM},
         "spec": {"selector": labels, "ports": ports}},
    ):  # fmt: skip
        cluster.request("POST", f"/api/v1/namespaces/{SYSTEM}/{obj['kind'].lower()}s", obj)
    try:
        cluster.wait(POD, "bus", lambda pod: pod["status"].get("phase") == "Running", SYSTEM)
        cluster.patch(
            CONFIG_MAP, "sympozium-bus", {"data": {"url": f"nats://sympozium-nats.{SYSTEM}.svc:4222"}}, SYSTEM
        )
        assert WORDS in cluster.sympozium("logs", "run", "-n", namespace).stdout
        assert "run" in cluster.sympozium("audit", "list", "-n", namespace).stdout
        found = cluster.sympozium("doctor")
        assert "through the Kubernetes API" in found.stdout
    finally:
        cluster.patch(CONFIG_MAP, "sympozium-bus", {"data": {"url": address}}, SYSTEM)
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/services/sympozium-nats")
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/bus")

"""Pods reach Services by name and address, and each other, as far as the policies of both sides allow."""

import os
from collections.abc import Iterator

import pytest

from cluster.node_support import FETCH, NodeCluster, cluster, ns, once, shell, state
from sympozium.testing.client import Object
from sympozium.testing.resources import POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="networks with Services need a node that runs as root"
)

SERVE = "cd /tmp; echo $HOSTNAME > index.html; exec python -m http.server 8080"


def server(cluster: NodeCluster, ns: str, name: str, **labels: str) -> Object:
    """A pod that answers with its name on 8080, once it is ready."""
    probe = {"httpGet": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 60}
    ports = [{"name": "http", "containerPort": 8080}]
    spec = once(shell(SERVE, ports=ports, startupProbe=probe), terminationGracePeriodSeconds=0)
    cluster.run_pod(name, ns, spec, labels={"app": "web", **labels})
    return cluster.wait(POD, name, lambda p: bool(state(p).get("running"))
                         and p["status"]["containerStatuses"][0]["started"], ns, timeout=60)  # fmt: skip


def service(cluster: NodeCluster, ns: str, name: str, **spec: object) -> Object:
    body = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}], **spec}
    return cluster.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns}, "spec": body}
    )


def endpoints(cluster: NodeCluster, ns: str, name: str, pods: list[Object]) -> None:
    """What the controller of endpoints would write, for these tests to be of the node alone."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
    found = [
        {
            "addresses": [pod["status"]["podIP"]], "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "namespace": ns, "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
            **({"hostname": pod["spec"]["hostname"]} if pod["spec"].get("hostname") else {}),
        }
        for pod in pods
    ]  # fmt: skip
    meta = {"generateName": f"{name}-", "labels": {"kubernetes.io/service-name": name}}
    cluster.request("POST", path, {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "metadata": meta,
        "endpoints": found, "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    })  # fmt: skip


@pytest.fixture
def web(cluster: NodeCluster, ns: str) -> Iterator[list[Object]]:
    """Two pods on the same port, behind the Service `web` of port 80."""
    service(cluster, ns, "web")
    pods = [server(cluster, ns, "a"), server(cluster, ns, "b", tier="gold")]
    endpoints(cluster, ns, "web", pods)
    yield pods
    for name in ("a", "b"):
        cluster.delete(POD, name, ns)


def ask(cluster: NodeCluster, ns: str, *urls: str, name: str = "client", **metadata: object) -> list[str]:
    """The last line that each URL gives in a pod; `-` for one that does not answer."""
    tries = [f"({FETCH} {url} 2>/dev/null || echo -) | head -1" for url in urls]
    cluster.run_pod(name, ns, once(shell("; ".join(tries))), **metadata)
    cluster.ended(name, ns, timeout=60)
    return cluster.logs(name, ns).splitlines()


def test_names_addresses_and_environment(cluster: NodeCluster, ns: str, web: list[Object]) -> None:
    until(lambda: len(cluster.request("GET", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices")["items"]) > 0,
          "the endpoints are there")  # fmt: skip
    urls = [f"http://web{tail}/" for tail in ("", f".{ns}", f".{ns}.svc", f".{ns}.svc.cluster.local")]
    urls += ["http://$WEB_SERVICE_HOST:$WEB_SERVICE_PORT/", f"http://{web[0]['status']['podIP']}:8080/",
             "http://web:8080/", "http://127.96.200.200/"]  # fmt: skip
    found = ask(cluster, ns, *urls)
    assert set(found[:5]) <= {"a", "b"}
    assert found[5:] == ["a", "-", "-"]
    assert web[0]["status"]["podIP"] != web[1]["status"]["podIP"]


def test_a_name_that_comes_later(cluster: NodeCluster, ns: str) -> None:
    pod = server(cluster, ns, "a")
    script = f"until {FETCH} http://late/ 2>/dev/null; do sleep 0.1; done"
    cluster.run_pod("client", ns, once(shell(script)))
    cluster.wait(POD, "client", lambda p: bool(state(p).get("running")), ns)
    service(cluster, ns, "late")
    endpoints(cluster, ns, "late", [pod])
    cluster.ended("client", ns, timeout=60)
    assert cluster.logs("client", ns).strip() == "a"
    cluster.delete(POD, "a", ns)


def network_policy(cluster: NodeCluster, ns: str, selector: Object, **spec: object) -> None:
    cluster.create({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"generateName": "p-", "namespace": ns}, "spec": {"podSelector": selector, **spec},
    })  # fmt: skip


def test_ingress_is_judged_by_who_asks(cluster: NodeCluster, ns: str, web: list[Object]) -> None:
    allow = [{"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}], "ports": [{"port": 8080}]}]
    network_policy(cluster, ns, {"matchLabels": {"app": "web"}}, policyTypes=["Ingress"], ingress=allow)
    urls = ["http://web/", f"http://{web[1]['status']['podIP']}:8080/"]
    friend = ask(cluster, ns, *urls, name="friend", labels={"role": "friend"})
    assert (friend[0] in {"a", "b"}, friend[1]) == (True, "b")
    assert ask(cluster, ns, *urls, name="stranger") == ["-", "-"]


def test_egress_by_labels(cluster: NodeCluster, ns: str, web: list[Object]) -> None:
    rule = {"to": [{"podSelector": {"matchLabels": {"tier": "gold"}}}], "ports": [{"port": 8080}]}
    network_policy(cluster, ns, {"matchLabels": {"role": "bound"}}, policyTypes=["Egress"], egress=[rule])
    urls = [f"http://{pod['status']['podIP']}:8080/" for pod in web]
    found = ask(cluster, ns, *urls, "http://web/", "http://web/", labels={"role": "bound"})
    assert found == ["-", "b", "b", "b"]  # of two endpoints, the one that may be reached


def test_headless_hosts(cluster: NodeCluster, ns: str) -> None:
    service(cluster, ns, "set", clusterIP="None")
    pod = server(cluster, ns, "set-0")
    endpoints(cluster, ns, "set", [{**pod, "spec": {**pod["spec"], "hostname": "set-0"}}])
    found = ask(
        cluster,
        ns,
        f"http://set-0.set.{ns}.svc.cluster.local:8080/",
        "http://set-0.set:8080/",
        "http://set:8080/",
    )
    assert found == ["set-0"] * 3
    cluster.delete(POD, "set-0", ns)

"""Egress policies: a pod that one selects reaches what is allowed and nothing else."""

import http.server
import threading

import pytest

from cluster.node_support import FETCH, Hello, NodeCluster, cluster, ns, once, policy, shell, web

__all__ = ["cluster", "ns", "web"]


def test_the_network_of_the_machine_must_be_asked_for(cluster: NodeCluster, ns: str, web: int) -> None:
    fetch = shell(f"{FETCH} http://127.0.0.1:{web}/ 2>&1 | tail -1")
    cluster.run_pod("host", ns, once(fetch, hostNetwork=True))
    cluster.run_pod("annotated", ns, once(fetch), annotations={"node.sympozium.ai/network": "host"})
    cluster.run_pod("own", ns, once(fetch))
    for name in ("host", "annotated", "own"):
        cluster.ended(name, ns)
    assert cluster.logs("host", ns) == cluster.logs("annotated", ns) == "hello\n"
    assert "refused" in cluster.logs("own", ns)


def test_denied_is_refused(cluster: NodeCluster, ns: str, web: int) -> None:
    cluster.create(policy(ns, []))
    script = f"{FETCH} http://127.0.0.1:{web}/ || echo refused; {FETCH} http://192.0.2.1/ || echo unreachable"
    cluster.run_pod(
        "p", ns, once(shell(f"{script}; tail -n +3 /proc/net/dev | cut -d: -f1")), labels={"net": "own"}
    )
    cluster.ended("p", ns)
    out = cluster.logs("p", ns)
    assert "hello" not in out
    assert "refused" in out
    assert "unreachable" in out
    assert out.split()[-1] == "lo"


def test_allowed_address_and_name(cluster: NodeCluster, ns: str, web: int) -> None:
    cluster.create(policy(ns, [{"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}], "ports": [{"port": web}]}]))
    script = f"{FETCH} http://127.0.0.1:{web}/; {FETCH} http://some.test:{web}/ || echo no-name"
    cluster.run_pod("p", ns, once(shell(script)), labels={"net": "own"})
    cluster.ended("p", ns)
    assert cluster.logs("p", ns).startswith("hello\n")
    assert "no-name" in cluster.logs("p", ns)
    annotated = {"node.sympozium.ai/egress": f"localhost.localdomain:1, ip6-localhost:{web}, localhost:{web}"}
    cluster.run_pod(
        "q", ns, once(shell(f"{FETCH} http://localhost:{web}/")), labels={"net": "own"}, annotations=annotated
    )
    cluster.ended("q", ns)
    assert cluster.logs("q", ns) == "hello\n"


def test_names_are_resolved_by_the_node(cluster: NodeCluster, ns: str, web: int) -> None:
    """`localhost.localdomain` stands for a name that only the node can resolve: the pod has no resolver."""
    import socket

    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine does not resolve its own name")
    with http.server.ThreadingHTTPServer((address, 0), Hello) as server:
        port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cluster.create(policy(ns, []))
        pod = once(shell(f"{FETCH} http://{name}:{port}/; grep {name} /etc/hosts | tail -1"))
        cluster.run_pod(
            "p", ns, pod, labels={"net": "own"}, annotations={"node.sympozium.ai/egress": f"{name}:{port}"}
        )
        cluster.ended("p", ns)
        server.shutdown()
        thread.join()
    assert cluster.logs("p", ns) == f"hello\n127.1.0.1\t{name}\n"


def test_containers_of_a_pod_share_its_network(cluster: NodeCluster, ns: str) -> None:
    cluster.create(policy(ns, []))
    serve = "python -m http.server 8000 >/dev/null 2>&1"
    probe = {"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 30}
    side = {**shell(serve), "name": "side", "restartPolicy": "Always", "startupProbe": probe}
    spec = once(
        shell(f"{FETCH} http://127.0.0.1:8000/ | head -1"),
        initContainers=[side],
        terminationGracePeriodSeconds=1,
    )
    cluster.run_pod("p", ns, spec, labels={"net": "own"})
    cluster.ended("p", ns)
    assert cluster.logs("p", ns, container="main").startswith("<!DOCTYPE")


def test_what_cannot_be_applied_is_said(cluster: NodeCluster, ns: str) -> None:
    cluster.create(
        policy(
            ns, [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 99, "protocol": "UDP"}]}]
        )
    )
    cluster.run_pod("p", ns, once(shell("true")), labels={"net": "own"})
    cluster.ended("p", ns)
    assert (
        "UDP is not passed on" in cluster.told("p", ns, "NetworkPolicyNotApplied")["NetworkPolicyNotApplied"]
    )


def test_the_world_is_not_this_machine(cluster: NodeCluster, ns: str, web: int) -> None:
    """A rule for every address listens everywhere inside the pod; each connection is judged by its destination."""
    rule = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24"]}}], "ports": [{"port": web}]}
    cluster.create(policy(ns, [rule]))
    script = f"for a in 127.0.0.1 192.0.2.7; do {FETCH} http://$a:{web}/ 2>&1 | tail -1; done"
    cluster.run_pod("p", ns, once(shell(script)), labels={"net": "own"})
    cluster.ended("p", ns)
    out = cluster.logs("p", ns)
    assert "hello" not in out
    assert "refused" in out.splitlines()[0]  # the pod's own loopback
    # urllib wraps the reset or not, as it comes before or after the request was sent.
    assert "reset by peer" in out.splitlines()[1]

"""Egress policies: a pod that one selects reaches what is allowed and nothing else."""

import http.server
import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from cluster.node_support import FETCH, IMAGE, Hello, NodeCluster, cluster, ns, once, policy, shell, web
from sympozium.testing.resources import NETWORK_POLICY, POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns", "web"]


def test_the_network_of_the_machine_must_be_asked_for(cluster: NodeCluster, ns: str, web: int) -> None:
    """By `hostNetwork`, which Pod Security knows; an annotation is not enough."""
    fetch = shell(f"{FETCH} http://127.0.0.1:{web}/ 2>&1 | tail -1")
    cluster.run_pod("host", ns, once(fetch, hostNetwork=True))
    cluster.run_pod("annotated", ns, once(fetch), annotations={"node.sympozium.ai/network": "host"})
    cluster.run_pod("own", ns, once(fetch))
    for name in ("host", "annotated", "own"):
        cluster.ended(name, ns)
    assert cluster.logs("host", ns) == "hello\n"
    assert "refused" in cluster.logs("annotated", ns)
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


@pytest.fixture
def neighbour() -> Iterator[tuple[str, int]]:
    """The address of this machine that is not loopback, and the port of a server there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing: only the route is looked up
        except OSError:
            pytest.skip("this machine has no network but its loopback")
        address = probe.getsockname()[0]
    with http.server.ThreadingHTTPServer((address, 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield address, server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_name_that_leads_inside_is_refused(
    cluster: NodeCluster, ns: str, web: int, neighbour: tuple[str, int]
) -> None:
    """What a name means is decided at connect, by the node: whoever answers for the name cannot open what is
    private, unless the address itself is allowed or the name is one of the installation's own.

    The names here are spellings of addresses that the resolver understands, as some name servers answer.
    """
    address, port = neighbour
    name = hex(int(ipaddress.IPv4Address(address)))
    cluster.create(policy(ns, []))
    opened = {"ipBlock": {"cidr": f"{address}/32"}}
    named = policy(ns, [{"to": [opened], "ports": [{"port": port}]}])
    named["metadata"]["name"] = "by-address"
    named["spec"]["podSelector"] = {"matchLabels": {"also": "address"}}
    cluster.create(named)
    pods = {
        "refused": f"{name}:{port}",
        "private": f"{name}:{port}/private",
        "every": f"{name}:*/private",
        "address": f"{name}:{port}",
        "loopback": f"0x7f000001:{web}/private",
        "other-port": f"{name}:{port + 1}/private",
    }
    for pod, annotation in pods.items():
        target = web if pod == "loopback" else port
        script = f"{FETCH} http://127.1.0.1:{target}/ 2>&1 | tail -1; grep {name} /etc/hosts | tail -1"
        labels = {"net": "own", **({"also": "address"} if pod == "address" else {})}
        cluster.run_pod(pod, ns, once(shell(script)), labels=labels,
                        annotations={"node.sympozium.ai/egress": annotation})  # fmt: skip
    for pod in pods:
        cluster.ended(pod, ns)
    for pod in ("refused", "loopback", "other-port"):
        assert "hello" not in cluster.logs(pod, ns)
        assert "reset" in cluster.logs(pod, ns)
    log = cluster.log("node")
    assert f"{name} is {address}, " in log
    assert "0x7f000001 is 127.0.0.1, the machine's own loopback" in log
    for pod in ("private", "every", "address"):
        assert cluster.logs(pod, ns) == f"hello\n127.1.0.1\t{name}\n"


def test_free_egress_is_not_this_machine(cluster: NodeCluster, ns: str, neighbour: tuple[str, int]) -> None:
    """A service that listens on every address of the machine is not open to its pods."""
    address, port = neighbour
    fetch = shell(f"{FETCH} http://{address}:{port}/ 2>&1 | tail -1")
    cluster.run_pod("free", ns, once(fetch))
    cluster.run_pod("named", ns, once(fetch), annotations={"node.sympozium.ai/egress": f"{address}:{port}"})
    for name in ("free", "named"):
        cluster.ended(name, ns)
    assert "reset" in cluster.logs("free", ns)
    assert cluster.logs("named", ns) == "hello\n"


KNOCK = """
import socket, struct, sys
def attempt(what, call):
    try:
        call()
        print(what, "OPEN")
    except OSError as error:
        print(what, error.errno)
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect(("192.0.2.1", 53))
        s.send(b"x")
        s.recv(1)
attempt("udp", udp)
attempt("icmp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close())
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close())
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("ipv6", lambda: socket.create_connection(("2001:db8::1", 80), 2).close())
attempt("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 2).recv(1) or print("metadata OPEN"))
attempt("dns", lambda: socket.create_connection(("10.244.0.10", 53), 2).recv(1) or print("dns OPEN"))
"""


def test_only_tcp_leaves_a_pod(cluster: NodeCluster, ns: str) -> None:
    """No datagrams, no raw sockets, no IPv6, no resolver where DNS is not allowed."""
    cluster.create(policy(ns, []))
    box = {"name": "main", "image": IMAGE, "command": ["python", "-c", KNOCK]}
    cluster.run_pod("p", ns, once(box), labels={"net": "own"})
    cluster.ended("p", ns)
    out = cluster.logs("p", ns)
    assert "OPEN" not in out
    assert len(out.splitlines()) == 7


HOLD = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /slow HTTP/1.1\\r\\n")
print("connected", flush=True)
print("ended", s.recv(1), flush=True)
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2) as again:
            again.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            print("again", again.recv(9), flush=True)
            break
    except OSError as error:
        print("refused", flush=True) if "once" not in globals() else None
        once = True
        time.sleep(0.05)
""".replace("\\\\", "\\")


def test_a_changed_policy_binds_a_running_pod(cluster: NodeCluster, ns: str, web: int) -> None:
    """The open connection is cut, a new one refused; and what is allowed again is open again."""
    rule = {"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}], "ports": [{"port": web}]}
    cluster.create(policy(ns, [rule]))
    box = {"name": "main", "image": IMAGE, "command": ["python", "-c", HOLD, str(web)]}
    cluster.run_pod("p", ns, once(box), labels={"net": "own"})

    def told(word: str) -> bool:
        answer = cluster.http.get(POD.path(ns, "p", "log"))
        return answer.status_code == 200 and word in answer.text

    until(lambda: told("connected"), "the pod has connected")
    cluster.patch(NETWORK_POLICY, "own", {"spec": {"egress": []}}, ns)
    until(lambda: told("refused"), "the connection is cut and another one refused")
    assert "1 connections were cut" in cluster.told("p", ns, "NetworkPolicyApplied")["NetworkPolicyApplied"]
    cluster.patch(
        POD, "p", {"metadata": {"annotations": {"node.sympozium.ai/egress": f"localhost:{web}"}}}, ns
    )
    cluster.ended("p", ns)
    assert "again b'HTTP/1.0 '" in cluster.logs("p", ns)


def test_a_new_policy_closes_a_pod_that_was_free(
    cluster: NodeCluster, ns: str, neighbour: tuple[str, int]
) -> None:
    address, port = neighbour
    loop = f"until ! {FETCH} http://{address}:{port}/; do sleep 0.1; done; echo closed"
    cluster.run_pod("p", ns, once(shell(loop)), labels={"net": "own"},
                    annotations={"node.sympozium.ai/egress": f"{address}:{port}"})  # fmt: skip
    until(lambda: "hello" in cluster.http.get(POD.path(ns, "p", "log")).text, "the pod is free")
    cluster.create(policy(ns, []))
    # The annotation goes on to open what it names; a policy alone takes nothing away from it.
    cluster.patch(POD, "p", {"metadata": {"annotations": {"node.sympozium.ai/egress": ""}}}, ns)
    cluster.ended("p", ns)
    assert cluster.logs("p", ns).endswith("closed\n")


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

"""What a run reaches from inside its pod, found out by trying, under a closed network and under a free one."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from e2e.support import agent, answers, call, finished, own_namespace, policy, run, tell
from sympozium.testing import NAMESPACE, POD, ApiError, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object
from sympozium.up.state import read

Served = tuple[str, str, int]
"""A server of this machine under its name: name, address, port."""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"canary of the page")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving() -> Iterator[Served]:
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine does not resolve its own name")
    with http.server.ThreadingHTTPServer((address, 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield name, address, server.server_address[1]
        server.shutdown()
        thread.join()


KNOCK = """
import json, socket, sys
found = {}
for name, host, port in json.loads(sys.argv[1]):
    s = socket.socket()
    s.settimeout(3)
    try:
        s.connect((host, port))
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        found[name] = "open" if s.recv(1) else "closed"
    except OSError as error:
        found[name] = error.__class__.__name__
    s.close()
print(json.dumps(found))
"""


Seen = dict[bool, tuple[Object, dict[str, str]]]
BASELINE = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
NAMED = "named with its address"
"""A page whose name the policy allows, and its address too, since this machine's name leads inside."""
NAMED_ALONE = "named without its address"
NOT_NAMED = "not named"


@pytest.fixture(scope="module")
def seen(sympozium_cluster: Cluster) -> Iterator[Seen]:
    """By whether the network is closed: a run with a skill that has rights, and what its calls answered. They read a page of
    this machine of each sort by `fetch_url`, and knock at its ports from the container of the skill. The pod of the closed
    one has no resolver, and its namespace enforces `baseline`.
    """
    cluster, found = sympozium_cluster, {}
    state = read(cluster.data)
    assert state is not None
    ports = [[name, "127.0.0.1", port] for name, port in state.ports.items() if name != "rehearsal"]
    ports.append(["metadata", "169.254.169.254", 80])
    with ExitStack() as stack:
        pages = {sort: stack.enter_context(serving()) for sort in (NAMED, NAMED_ALONE, NOT_NAMED)}
        ports += [[sort, address, port] for sort, (_, address, port) in pages.items()]
        name, address, port = pages[NAMED]
        allowed = [{"host": name, "port": port}, {"host": address, "port": port}]
        allowed.append({"host": name, "port": pages[NAMED_ALONE][2]})
        closed = {"denyAll": True, "allowDNS": False, "allowedEgress": allowed}
        command = f"python3 -c '{KNOCK}' '{json.dumps(ports)}'"
        steps = [
            call("fetch_url", _step(sort), url=f"http://{name}:{port}/")
            for sort, (name, _, port) in pages.items()
        ]
        steps.append(call("execute_command", "knock", command=command, target="k8s-ops"))
        model = stack.enter_context(ScriptedModel(tell(*steps)))
        for deny_all, rules in ((False, {"denyAll": False}), (True, closed)):
            namespace = stack.enter_context(own_namespace(cluster))
            if deny_all:
                cluster.patch(NAMESPACE, namespace, BASELINE, "")
            policy(cluster, namespace, networkPolicy=rules)
            agent(cluster, namespace, model.base_url, skills=[{"skillPackRef": "k8s-ops"}])
            run(cluster, namespace)
            over = finished(cluster, namespace)
            found[deny_all] = over, answers(over)
        yield found


def _step(sort: str) -> str:
    return sort.replace(" ", "_")


def test_fetch_url_reads_a_name_that_the_policy_allows_through_the_relay(seen: Seen) -> None:
    _, said = seen[True]
    assert "canary of the page" in said[_step(NAMED)]


def test_fetch_url_is_refused_a_name_that_leads_inside(seen: Seen) -> None:
    """The policy allows the name, and whoever answers for it says: the machine itself."""
    page = seen[True][1][_step(NAMED_ALONE)]
    assert "canary" not in page
    assert "reset" in page or "broke" in page or "cannot be reached" in page


@pytest.mark.parametrize(("deny_all", "sort"), [(False, NAMED), (False, NOT_NAMED), (True, NOT_NAMED)])
def test_fetch_url_does_not_read_the_model_or_what_the_policy_does_not_name(
    seen: Seen, deny_all: bool, sort: str
) -> None:
    page = seen[deny_all][1][_step(sort)]
    assert "canary" not in page
    assert "not of the public internet" in page or "does not allow" in page or "cannot be resolved" in page


@pytest.mark.parametrize("deny_all", [False, True])
def test_a_skill_reaches_its_api_and_nothing_else_of_this_machine(seen: Seen, deny_all: bool) -> None:
    """From the container of a skill with rights: the API and the bus, as the plan says, and under no policy
    the control plane's other ports, or another run's model.
    """
    said = seen[deny_all][1]["knock"]
    assert "{" in said, said
    found = json.loads(said[said.index("{") : said.index("}") + 1])
    reached = {name for name, answer in found.items() if answer in ("open", "closed")}
    # The API hangs up on what is no TLS; the bus greets whoever comes.
    assert reached == {"api", "bus"} | ({NAMED} if deny_all else set()), found


def test_the_annotation_is_the_controllers_where_pod_security_is_enforced(
    sympozium_cluster: Cluster, namespace: str, seen: Seen
) -> None:
    """It opens the machine's loopback, as hostNetwork would, which `baseline` forbids."""
    sympozium_cluster.patch(NAMESPACE, namespace, BASELINE, "")
    marked = {"annotations": {"node.sympozium.ai/egress": "127.0.0.1:4222"}}
    box = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "localhost/host:latest", "command": ["true"]}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": box}
    template = {"metadata": marked, "spec": box}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": namespace},
        "spec": {"template": template},
    }
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "c", "namespace": namespace},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}},
    }
    for obj in ({**pod, "metadata": {**pod["metadata"], **marked}}, job, cron):
        with pytest.raises(ApiError, match="only the controller of sympozium may set it"):
            sympozium_cluster.create(obj)
    sympozium_cluster.create(pod)
    with pytest.raises(ApiError, match="only the controller of sympozium may set it"):
        sympozium_cluster.patch(POD, "p", {"metadata": marked}, namespace)
    ran, _ = seen[True]
    assert phase(ran) == "Succeeded"
    (pod,) = sympozium_cluster.items(POD, ran["metadata"]["namespace"])
    assert set(marked["annotations"]) <= set(pod["metadata"]["annotations"])

"""What a run reaches from inside its pod, found out by trying, under a closed network and under a free one."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from e2e.support import agent, finished, policy, run, say
from sympozium.testing import NAMESPACE, POD, ApiError, Cluster, ScriptedModel
from sympozium.up.state import read


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"canary of the page")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def page() -> Iterator[tuple[str, str, int]]:
    """A server of this machine under its name: name, address, port."""
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


def _fetched(cluster: Cluster, namespace: str, url: str, **rules: object) -> str:
    """What `fetch_url` answers under a network policy."""
    policy(cluster, namespace, networkPolicy=rules)
    script = say(
        {"id": "read", "call": [{"tool": "fetch_url", "arguments": {"url": url}}]},
        {"id": "end", "say": "{{result|head(600)}}"},
    )
    with ScriptedModel(script) as model:
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        status = finished(cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    return str(status["result"])


def test_fetch_url_reads_a_name_that_the_policy_allows_through_the_relay(
    sympozium_cluster: Cluster, namespace: str, page: tuple[str, str, int]
) -> None:
    """Without a resolver in the pod. The address is allowed too, since this machine's name leads inside."""
    name, address, port = page
    allowed = [{"host": name, "port": port}, {"host": address, "port": port}]
    seen = _fetched(
        sympozium_cluster, namespace, f"http://{name}:{port}/", allowDNS=False, allowedEgress=allowed
    )
    assert "canary of the page" in seen


def test_fetch_url_is_refused_a_name_that_leads_inside(
    sympozium_cluster: Cluster, namespace: str, page: tuple[str, str, int]
) -> None:
    """The policy allows the name, and whoever answers for it says: the machine itself."""
    name, _, port = page
    seen = _fetched(
        sympozium_cluster, namespace, f"http://{name}:{port}/", allowedEgress=[{"host": name, "port": port}]
    )
    assert "canary" not in seen
    assert "reset" in seen or "broke" in seen or "cannot be reached" in seen


@pytest.mark.parametrize("rules", [{"denyAll": False}, {"denyAll": True}])
def test_fetch_url_does_not_read_the_model_or_what_the_policy_does_not_name(
    sympozium_cluster: Cluster, namespace: str, page: tuple[str, str, int], rules: dict[str, bool]
) -> None:
    name, _, port = page
    seen = _fetched(sympozium_cluster, namespace, f"http://{name}:{port}/", **rules)
    assert "canary" not in seen
    assert "not of the public internet" in seen or "does not allow" in seen or "cannot be resolved" in seen


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


@pytest.mark.parametrize("deny_all", [False, True])
def test_a_skill_reaches_its_api_and_nothing_else_of_this_machine(
    sympozium_cluster: Cluster, namespace: str, page: tuple[str, str, int], deny_all: bool
) -> None:
    """From the container of a skill with rights: the API and the bus, as the plan says, and under no policy
    the control plane's other ports, or another run's model.
    """
    state = read(sympozium_cluster.data)
    assert state is not None
    ports = [[name, "127.0.0.1", port] for name, port in state.ports.items() if name != "rehearsal"]
    ports += [["page", page[1], page[2]], ["metadata", "169.254.169.254", 80]]
    policy(sympozium_cluster, namespace, networkPolicy={"denyAll": deny_all})
    command = f"python3 -c '{KNOCK}' '{json.dumps(ports)}'"
    arguments = {"command": command, "target": "k8s-ops"}
    script = say(
        {"id": "knock", "call": [{"tool": "execute_command", "arguments": arguments}]},
        {"id": "end", "say": "{{result|head(900)}}"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, skills=[{"skillPackRef": "k8s-ops"}])
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    text = str(status.get("result"))
    assert "{" in text, status
    found = json.loads(text[text.index("{") : text.index("}") + 1])
    reached = {name for name, answer in found.items() if answer in ("open", "closed")}
    # The API hangs up on what is no TLS; the bus greets whoever comes.
    assert reached == {"api", "bus"}, found


def test_the_annotation_is_the_controllers_where_pod_security_is_enforced(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    """It opens the machine's loopback, as hostNetwork would, which `baseline` forbids."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    sympozium_cluster.patch(NAMESPACE, namespace, label, "")
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
    policy(sympozium_cluster, namespace, networkPolicy={"denyAll": True})
    with ScriptedModel(say({"say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status

"""What each container of a run does not have, found out by trying from inside."""

import errno
import json
from pathlib import Path

import pytest

from e2e.support import agent, finished, payload_pids, policy, run, say
from sympozium.testing import AGENT_RUN, POD, Cluster, ScriptedModel, phase
from sympozium.up.state import read

LOOK = """
echo "== env"; env
echo "== token"; ls -la /var/run/secrets/kubernetes.io/serviceaccount 2>&1
echo "== bus"; ls -la /etc/sympozium 2>&1; ls -la /run/sympozium 2>&1
echo "== journal"; ls -la /var/lib/sympozium 2>&1
echo "== root"; ls /root 2>&1
echo "== others"; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'
echo "== mounts"; cut -d' ' -f5 /proc/self/mountinfo
"""


def test_a_command_finds_no_credentials(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    script = say(
        {"id": "look", "call": [{"tool": "execute_command", "arguments": {"command": LOOK}}]},
        {"id": "end", "say": "{{result|head(400)}}"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    seen = status["result"]
    assert "== env" in seen
    for secret in ("sk-canary-model-key", "BEGIN NATS USER JWT", "eyJ", "OPENAI_"):
        assert secret not in seen
    parts = dict(part.split("\n", 1) for part in seen.split("== ")[1:])
    assert "No such file" in parts["token"]
    assert "bus" not in parts["bus"].replace("== bus", "")
    assert "tools" not in parts["bus"]
    assert "No such file" in parts["journal"]
    assert "/etc/sympozium" not in parts["mounts"]
    assert "/var/lib/sympozium" not in parts["mounts"]


def test_a_command_reaches_nothing_on_the_network(sympozium_cluster: Cluster, namespace: str) -> None:
    """Not the bus, not the API, not the node: under an open policy too, what the model wrote has no network.

    Refused is what its own loopback says; sockets that no network namespace holds (40 is AF_VSOCK) cannot be made.
    """
    state = read(sympozium_cluster.data)
    assert state is not None
    ports = {name: port for name, port in state.ports.items() if name in ("api", "bus", "webhook", "node")}
    knock = "import socket,sys\nfor p in sys.argv[1:]:\n s=socket.socket()\n print(p, s.connect_ex(('127.0.0.1',int(p))))"
    knock += "\ntry: socket.socket(40)\nexcept OSError as e: print('vsock', e.errno)"
    command = f'python3 -c "{knock}" {" ".join(map(str, ports.values()))}'
    policy(sympozium_cluster, namespace)
    script = say(
        {"id": "knock", "call": [{"tool": "execute_command", "arguments": {"command": command}}]},
        {"id": "end", "say": "{{result|head(40)}}"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        seen = finished(sympozium_cluster, namespace)["status"]["result"]
    for name, port in ports.items():
        assert f"{port} {errno.ECONNREFUSED}" in seen, (name, seen)
    assert f"vsock {errno.EACCES}" in seen


@pytest.fixture
def held_run(sympozium_cluster: Cluster, namespace: str):
    """A run that waits in a tool call, so that its containers can be looked at."""
    policy(sympozium_cluster, namespace, toolGating={"defaultAction": "ask", "rules": []})
    script = say(
        {"id": "look", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
        {"id": "end", "say": "end"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, skills=[{"skillPackRef": "k8s-ops"}])
        run(sympozium_cluster, namespace)
        sympozium_cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", namespace)
        yield namespace
        sympozium_cluster.delete(AGENT_RUN, "run", namespace)


def _mounts(pid: int) -> set[str]:
    return {line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()}


def _abstract(pid: int) -> set[str]:
    """The names of the process's unix sockets that are not files."""
    own = {link.name for link in (entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir())}
    found = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
    names = {f"socket:[{fields[6]}]": "".join(fields[7:]) for fields in found}
    assert own & names.keys(), "no socket of it was found"
    return {name for inode, name in names.items() if inode in own and name.startswith("@")}


def _environ(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text(errors="replace")


def test_each_container_has_only_its_own(sympozium_cluster: Cluster, held_run: str) -> None:
    (pod,) = sympozium_cluster.items(POD, held_run, labelSelector="sympozium.ai/run=run")
    names = {c["name"] for c in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])}
    assert names == {"agent", "tools", "shell", "skill-k8s-ops"}
    uid = pod["metadata"]["uid"]
    (agent_pid,) = payload_pids(sympozium_cluster, "sympozium.agent", uid)
    (tools_pid,) = payload_pids(sympozium_cluster, "sympozium.tools", uid)
    (shell_pid,) = payload_pids(sympozium_cluster, "sympozium.shell", uid)
    (skill_pid,) = payload_pids(sympozium_cluster, "sympozium.skills.k8s_ops", uid)

    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    has_token = [
        pid
        for pid in (agent_pid, tools_pid, shell_pid, skill_pid)
        if any(m.startswith((token, "/run/secrets")) for m in _mounts(pid))
    ]
    assert has_token == [skill_pid]
    has_workspace = {
        pid for pid in (agent_pid, tools_pid, shell_pid, skill_pid) if "/workspace" in _mounts(pid)
    }
    assert has_workspace == {shell_pid, skill_pid}
    has_journal = [
        pid
        for pid in (agent_pid, tools_pid, shell_pid, skill_pid)
        if "/var/lib/sympozium/journal" in _mounts(pid)
    ]
    assert has_journal == [tools_pid]
    has_bus = [
        pid for pid in (agent_pid, tools_pid, shell_pid, skill_pid) if "/etc/sympozium/bus" in _mounts(pid)
    ]
    assert has_bus == [agent_pid, tools_pid]
    has_key = [
        pid for pid in (agent_pid, tools_pid, shell_pid, skill_pid) if "sk-canary-model-key" in _environ(pid)
    ]
    assert has_key == [agent_pid]
    # On a cluster all four share one network namespace, where a command can connect to names without a file.
    for pid in (agent_pid, tools_pid, shell_pid, skill_pid):
        assert _abstract(pid) == set()


def test_the_rights_of_the_pods_own_account_and_of_the_skill(
    sympozium_cluster: Cluster, held_run: str
) -> None:
    (pod,) = sympozium_cluster.items(POD, held_run, labelSelector="sympozium.ai/run=run")
    own = f"system:serviceaccount:{held_run}:{pod['spec']['serviceAccountName']}"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "no" in sympozium_cluster.kubectl("auth", "can-i", "list", "pods", "-A", "--as", own, check=False)
    accounts = json.loads(
        sympozium_cluster.kubectl("get", "sa", "-n", held_run, "-l", "sympozium.ai/run=run", "-o", "json")
    )
    names = {account["metadata"]["name"] for account in accounts["items"]}
    (skill,) = names - {pod["spec"]["serviceAccountName"]}
    name = f"system:serviceaccount:{held_run}:{skill}"
    assert "yes" in sympozium_cluster.kubectl(
        "auth", "can-i", "list", "pods", "-A", "--as", name, check=False
    )
    for verb, what in (
        ("get", "secrets"),
        ("create", "pods"),
        ("create", "clusterrolebindings"),
        ("create", "serviceaccounts/token"),
    ):
        assert "no" in sympozium_cluster.kubectl(
            "auth", "can-i", verb, what, "-A", "--as", name, check=False
        ), (verb, what)


def test_identities_die_with_the_run(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    with ScriptedModel(say({"say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url, skills=[{"skillPackRef": "k8s-ops"}])
        run(sympozium_cluster, namespace, cleanup="delete")
        finished(sympozium_cluster, namespace)
    selector = "sympozium.ai/run=run"
    kinds = "pods,jobs,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies"
    sympozium_cluster.kubectl("wait", "--for=delete", kinds, "-n", namespace, "-l", selector, "--timeout=60s")
    left = sympozium_cluster.kubectl(
        "get",
        "clusterroles,clusterrolebindings",
        "-l",
        f"{selector},sympozium.ai/instance=agent",
        "-o",
        "name",
    )
    assert namespace not in left

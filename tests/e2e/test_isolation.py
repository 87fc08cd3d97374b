"""What each container of a run does not have, found out by trying from inside."""

import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.support import (
    agent,
    answers,
    asked,
    call,
    decided,
    finished,
    own_namespace,
    payload_pids,
    policy,
    run,
    tell,
)
from sympozium.testing import POD, Cluster, ScriptedModel
from sympozium.testing.client import Object
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
KNOCK = "import socket,sys\nfor p in sys.argv[1:]:\n s=socket.socket()\n print(p, s.connect_ex(('127.0.0.1',int(p))))"
KNOCK += "\ntry: socket.socket(40)\nexcept OSError as e: print('vsock', e.errno)"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
CONTAINERS = {
    "agent": "sympozium.agent",
    "tools": "sympozium.tools",
    "shell": "sympozium.shell",
    "skill-k8s-ops": "sympozium.skills.k8s_ops",
}
MAY_NOT = [
    ("get", "secrets"),
    ("create", "pods"),
    ("create", "clusterrolebindings"),
    ("create", "serviceaccounts/token"),
]


@dataclass(frozen=True)
class Seen:
    """A run with a skill under an open policy, looked at while it waits in a tool call, and its end."""

    namespace: str
    pod: Object
    """While it waits."""
    mounts: dict[str, set[str]]
    environ: dict[str, str]
    abstract: dict[str, set[str]]
    """Of the process of each container."""
    accounts: set[str]
    rights: dict[tuple[str, str, str], str]
    """What `kubectl auth can-i` says of an account, a verb and a kind."""
    said: dict[str, str]
    """What the commands of the run answered."""


@pytest.fixture(scope="module")
def ports(sympozium_cluster: Cluster) -> dict[str, int]:
    """Of the control plane on this machine."""
    state = read(sympozium_cluster.data)
    assert state is not None
    return {name: port for name, port in state.ports.items() if name in ("api", "bus", "webhook", "node")}


@pytest.fixture(scope="module")
def seen(sympozium_cluster: Cluster, ports: dict[str, int]) -> Iterator[Seen]:
    cluster = sympozium_cluster
    knock = f'python3 -c "{KNOCK}" {" ".join(map(str, ports.values()))}'
    steps = (
        call("execute_command", "look", command=LOOK),
        call("execute_command", "knock", command=knock),
        call("list_directory", path="."),
    )
    with own_namespace(cluster) as namespace, ScriptedModel(tell(*steps)) as model:
        ask = [{"tool": "list_directory", "action": "ask"}]
        policy(cluster, namespace, toolGating={"defaultAction": "allow", "rules": ask})
        agent(cluster, namespace, model.base_url, skills=[{"skillPackRef": "k8s-ops"}])
        run(cluster, namespace, cleanup="delete")
        request = asked(cluster, namespace)
        (pod,) = cluster.items(POD, namespace, labelSelector="sympozium.ai/run=run")
        pids = {}
        for name, program in CONTAINERS.items():
            (pids[name],) = payload_pids(cluster, program, pod["metadata"]["uid"])
        listed = cluster.kubectl("get", "sa", "-n", namespace, "-l", "sympozium.ai/run=run", "-o", "json")
        accounts = {account["metadata"]["name"] for account in json.loads(listed)["items"]}
        mounts = {name: _mounts(pid) for name, pid in pids.items()}
        environ = {name: _environ(pid) for name, pid in pids.items()}
        abstract = {name: _abstract(pid) for name, pid in pids.items()}
        own = pod["spec"]["serviceAccountName"]
        (skill,) = accounts - {own}
        rights = {}
        for account, verb, what in (
            (own, "list", "pods"),
            (skill, "list", "pods"),
            *((skill, *right) for right in MAY_NOT),
        ):
            who = f"system:serviceaccount:{namespace}:{account}"
            said = cluster.kubectl("auth", "can-i", verb, what, "-A", "--as", who, check=False)
            rights["own" if account == own else "skill", verb, what] = said
        decided(cluster, request, "Approved")
        said = answers(finished(cluster, namespace))
        yield Seen(namespace, pod, mounts, environ, abstract, accounts, rights, said)


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


def test_a_command_finds_no_credentials(seen: Seen) -> None:
    found = seen.said["look"]
    assert "== env" in found
    for secret in ("sk-canary-model-key", "BEGIN NATS USER JWT", "eyJ", "OPENAI_"):
        assert secret not in found
    parts = dict(part.split(" ", 1) for part in found.split("== ")[1:])
    assert "No such file" in parts["token"]
    assert "bus" not in parts["bus"]
    assert "tools" not in parts["bus"]
    assert "No such file" in parts["journal"]
    assert "/etc/sympozium" not in parts["mounts"]
    assert "/var/lib/sympozium" not in parts["mounts"]


def test_a_command_reaches_nothing_on_the_network(seen: Seen, ports: dict[str, int]) -> None:
    """Not the bus, not the API, not the node: under an open policy too, what the model wrote has no network.

    Refused is what its own loopback says; sockets that no network namespace holds (40 is AF_VSOCK) cannot be made.
    """
    for name, port in ports.items():
        assert f"{port} {errno.ECONNREFUSED}" in seen.said["knock"], (name, seen.said["knock"])
    assert f"vsock {errno.EACCES}" in seen.said["knock"]


def test_each_container_has_only_its_own(seen: Seen) -> None:
    spec = seen.pod["spec"]
    assert {c["name"] for c in spec["containers"] + spec.get("initContainers", [])} == set(CONTAINERS)
    has_token = {n for n, at in seen.mounts.items() if any(m.startswith((TOKEN, "/run/secrets")) for m in at)}
    assert has_token == {"skill-k8s-ops"}
    assert _with(seen, "/workspace") == {"shell", "skill-k8s-ops"}
    assert _with(seen, "/var/lib/sympozium/journal") == {"tools"}
    assert _with(seen, "/etc/sympozium/bus") == {"agent", "tools"}
    assert {name for name, text in seen.environ.items() if "sk-canary-model-key" in text} == {"agent"}
    # On a cluster all four share one network namespace, where a command can connect to names without a file.
    assert seen.abstract == {name: set() for name in CONTAINERS}


def _with(seen: Seen, mount: str) -> set[str]:
    """The containers that have something there."""
    return {name for name, mounts in seen.mounts.items() if mount in mounts}


def test_the_rights_of_the_pods_own_account_and_of_the_skill(seen: Seen) -> None:
    assert seen.pod["spec"]["automountServiceAccountToken"] is False
    assert len(seen.accounts) == 2
    assert "no" in seen.rights["own", "list", "pods"]
    assert "yes" in seen.rights["skill", "list", "pods"]
    for right in MAY_NOT:
        assert "no" in seen.rights["skill", *right], right


def test_identities_die_with_the_run(sympozium_cluster: Cluster, seen: Seen) -> None:
    """Of a run that is cleaned up after its end."""
    selector = "sympozium.ai/run=run"
    kinds = "pods,jobs,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies"
    sympozium_cluster.kubectl(
        "wait", "--for=delete", kinds, "-n", seen.namespace, "-l", selector, "--timeout=60s"
    )
    left = sympozium_cluster.kubectl(
        "get",
        "clusterroles,clusterrolebindings",
        "-l",
        f"{selector},sympozium.ai/instance=agent",
        "-o",
        "name",
    )
    assert seen.namespace not in left
